"""How straight weights go: their fit by lines in t (RLVR-Linearity, arXiv 2601.04537), without keeping checkpoints."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


class Line:
    """Sums over the checkpoints of one matrix, the base among them, from which R² on t follows.

    For updates ΔW_t, over all entries together: the variance that a line in t explains, ‖Σ(t − t̄)ΔW_t‖² / Σ(t − t̄)²,
    over the whole, Σ‖ΔW_t‖² − n‖mean‖². Only two matrices are kept, whatever the number of checkpoints.
    """

    def __init__(self, steps: Sequence[int]) -> None:
        """steps: all of them, the base's first, whose update is zero and is not added."""
        self._count, self._mean_step = len(steps), sum(steps) / len(steps)
        self._spread = math.fsum((step - self._mean_step) ** 2 for step in steps)
        self._squares = 0.0
        self._sum: Tensor | None = None
        self._moment: Tensor | None = None

    def add(self, step: int, update: Tensor) -> None:
        """Count ΔW_t, float64."""
        weight = step - self._mean_step
        self._squares += float(update.square().sum())
        self._sum = update.clone() if self._sum is None else self._sum.add_(update)
        self._moment = weight * update if self._moment is None else self._moment.add_(update, alpha=weight)

    def r_squared(self) -> float | None:
        """None for fewer than three checkpoints, and where nothing moved."""
        if self._count < 3 or self._sum is None or self._moment is None or self._squares == 0:
            return None
        total = self._squares - float(torch.linalg.vector_norm(self._sum)) ** 2 / self._count
        explained = float(torch.linalg.vector_norm(self._moment)) ** 2 / self._spread
        return min(1.0, explained / total)
