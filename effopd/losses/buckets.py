"""Distributions over a vocabulary seen through a few of its tokens: those by themselves, all others as one bucket.

A loss over buckets is at most the loss over the vocabulary (data processing inequality), and equal to it when every
token has a bucket.
"""

from __future__ import annotations

import torch
from torch import Tensor


def bucket_logprobs(logits_BTV: Tensor, ids_BTK: Tensor) -> Tensor:
    """log π of the tokens `ids`, distinct within a row, and last of all other tokens together: float32 (B, T, K + 1).

    Without the last, (B, T, V), when K = V. Distillation losses take the result as they take logits.
    """
    logprobs_BTV = logits_BTV.float().log_softmax(-1)
    chosen_BTK = logprobs_BTV.gather(-1, ids_BTK)
    if ids_BTK.shape[-1] == logits_BTV.shape[-1]:
        return chosen_BTK
    rest_BT1 = logprobs_BTV.scatter(-1, ids_BTK, -torch.inf).logsumexp(-1, keepdim=True)
    return torch.cat([chosen_BTK, rest_BT1], dim=-1)


def with_rest(logprobs_BTK: Tensor) -> Tensor:
    """The log-probabilities of some tokens, and last what is left of 1 for all others: (B, T, K + 1).

    For distributions of which no more is known. Rounding may leave nothing, or less: the rest is at least 1e-7.
    """
    rest_BT1 = -torch.expm1(logprobs_BTK.double().logsumexp(-1, keepdim=True))
    rest_BT1 = rest_BT1.clamp(min=1e-7).log().to(logprobs_BTK.dtype)
    return torch.cat([logprobs_BTK, rest_BT1], dim=-1)
