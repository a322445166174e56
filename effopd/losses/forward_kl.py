"""The divergence of distillation on given texts (arXiv 1503.02531), here on the student's own."""

from __future__ import annotations

from torch import Tensor

from effopd.losses.divergence import kl, log_distributions
from effopd.losses.seen import Seen


def forward_kl(seen: Seen) -> Tensor:
    """KL(π_T ‖ π_S) = Σ_x π_T (log π_T − log π_S) for each token (…)."""
    student_X, teacher_X = log_distributions(seen)
    return kl(teacher_X, student_X)
