"""What every loss needs: log-probabilities of chosen tokens and means over unmasked ones."""

from __future__ import annotations

from torch import Tensor


def token_logprobs(logits_BTV: Tensor, tokens_BT: Tensor) -> Tensor:
    """log π(token) of each chosen token, float32 (B, T), at temperature 1."""
    logits_BTV = logits_BTV.float()
    chosen_BT = logits_BTV.gather(-1, tokens_BT[..., None])[..., 0]
    return chosen_BT - logits_BTV.logsumexp(-1)


def entropy(logits_BTV: Tensor) -> Tensor:
    """Entropy of each next-token distribution in nats, (B, T)."""
    logprobs_BTV = logits_BTV.float().log_softmax(-1)
    return -(logprobs_BTV.exp() * logprobs_BTV).sum(-1)


def masked_sum(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Σ over unmasked tokens; what stands under the mask may be anything, NaN included."""
    return values_BT.where(mask_BT.bool(), 0.0).sum()
