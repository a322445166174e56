"""Between the two divergences: generalised Jensen–Shannon (GKD, arXiv 2306.13649, equation 1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from effopd.losses.divergence import kl, log_distributions
from effopd.losses.seen import Seen


def jsd(seen: Seen, *, beta: float) -> Tensor:
    """β KL(π_T ‖ m) + (1 − β) KL(π_S ‖ m) for each token (…), m = β π_T + (1 − β) π_S.

    0 < β < 1; symmetric at β = ½.
    """
    student_X, teacher_X = log_distributions(seen)
    mixture_X = torch.logaddexp(teacher_X + math.log(beta), student_X + math.log1p(-beta))
    return beta * kl(teacher_X, mixture_X) + (1 - beta) * kl(student_X, mixture_X)
