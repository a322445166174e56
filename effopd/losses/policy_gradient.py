"""Reinforcement learning: group-relative advantages and the clipped policy-gradient loss.

GRPO (arXiv 2402.03300), DAPO (arXiv 2503.14476), which clips higher above than below, and PPO (arXiv 1707.06347), whose
advantages are those of `effopd.losses.value`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from effopd.losses.tokens import masked_sum


def group_advantages(rewards_GN: Tensor, epsilon: float = 1e-6) -> Tensor:
    """(r − mean) / (std + ε) within each group of N completions of one prompt; a group of equals gives zeros."""
    centred_GN = rewards_GN - rewards_GN.mean(-1, keepdim=True)
    return centred_GN / (rewards_GN.std(-1, correction=0, keepdim=True) + epsilon)


def with_variance(rewards_GN: Tensor) -> Tensor:
    """Which groups have completions of different rewards, (G,): the others teach nothing."""
    return (rewards_GN != rewards_GN[:, :1]).any(-1)


def clipped_surrogate(policy_BT: Tensor, old_BT: Tensor, advantages_BT: Tensor, low: float, high: float) -> Tensor:
    """−min(ρ A, clip(ρ, 1 − low, 1 + high) A) with ρ = π / π_old, per token (B, T), from log-probabilities.

    advantages_BT: of each token, or (B, 1) of each completion.
    """
    ratio_BT = (policy_BT - old_BT).exp()
    return -torch.minimum(ratio_BT * advantages_BT, ratio_BT.clamp(1 - low, 1 + high) * advantages_BT)


def reference_kl(policy_BT: Tensor, reference_BT: Tensor) -> Tensor:
    """Unbiased non-negative estimate of KL(π ‖ π_ref) from sampled tokens: e^d − d − 1, d = log π_ref − log π."""
    difference_BT = reference_BT - policy_BT
    return difference_BT.exp() - difference_BT - 1


def token_mean(values_BT: Tensor, mask_BT: Tensor, tokens: float) -> Tensor:
    """DAPO's and PPO's aggregation: the sum over unmasked tokens, over how many they are on all ranks."""
    return masked_sum(values_BT, mask_BT) / tokens


def sequence_mean(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """GRPO's aggregation: the mean over each completion's tokens, (B,)."""
    return values_BT.where(mask_BT.bool(), 0.0).sum(-1) / mask_BT.sum(-1)
