"""Divergences between distributions over the same outcomes, from logits or log-probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from effopd.losses.seen import Seen


def log_distributions(seen: Seen) -> tuple[Tensor, Tensor]:
    """log π_S and log π_T over the outcomes, float32 (…, X); the teacher's without gradient.

    Where log π_T is further below log π_S than `seen.log_ratio_cap`, it counts as so far below.
    """
    student_X = seen.student_X.float().log_softmax(-1)
    teacher_X = seen.teacher_X.float().log_softmax(-1).detach()
    if seen.log_ratio_cap < torch.inf:
        teacher_X = teacher_X.maximum(student_X.detach() - seen.log_ratio_cap)
    return student_X, teacher_X


def kl(p_X: Tensor, q_X: Tensor) -> Tensor:
    """KL(p ‖ q) from log-probabilities (…, X); an outcome that p rules out contributes nothing."""
    terms_X = p_X.exp() * (p_X - q_X)
    return terms_X.where(p_X != -torch.inf, 0.0).sum(-1)
