"""Learning rates over the steps of a run."""

from __future__ import annotations

import math
from typing import Literal

Decay = Literal["none", "linear", "cosine"]


def scheduled(peak: float, decay: Decay, step: int, warmup_steps: int, steps: int) -> float:
    """The rate of a step, counted from 1: linear to the peak over `warmup_steps`, then as it decays.

    linear: by equal amounts, to a last step that still moves. cosine: to zero at the last of `steps`.
    """
    if step <= warmup_steps:
        return peak * step / warmup_steps
    match decay:
        case "none":
            return peak
        case "linear":
            return peak * (steps - step + 1) / (steps - warmup_steps)
        case "cosine":
            progress = (step - warmup_steps) / max(1, steps - warmup_steps)
            return peak * 0.5 * (1 + math.cos(math.pi * progress))
