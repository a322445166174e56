"""The divergence that on-policy distillation descends (arXiv 2605.11739, section 2), over all outcomes of a token."""

from __future__ import annotations

from torch import Tensor

from effopd.losses.divergence import kl, log_distributions
from effopd.losses.seen import Seen


def reverse_kl(seen: Seen) -> Tensor:
    """KL(π_S ‖ π_T) = Σ_x π_S (log π_S − log π_T) for each token (…)."""
    student_X, teacher_X = log_distributions(seen)
    return kl(student_X, teacher_X)
