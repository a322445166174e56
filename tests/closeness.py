"""When two trainings in float32 are the same but for rounding."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

ROUNDING = 1e-3
"""Of `share_apart`. Float32 rounds to 6e-8, and a gradient is a sum of some thousand products. AdamW divides by the
gradient's own size, so where a gradient is next to nothing its rounding becomes the update, and no bound holds for
single weights but the learning rate. The norm of all updates hides those few; a thousandth leaves room for 10^4
roundings, and is far below what one token more or less in a batch comes to."""


def share_apart(one: Mapping[str, Tensor], other: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> float:
    """The distance between two trained sets of weights, as a share of the way that the second has come from `start`."""
    assert one.keys() == other.keys() >= start.keys()
    apart, moved = (
        torch.cat([(a[name] - b[name]).double().flatten() for name in start]).norm()
        for a, b in ((one, other), (other, start))
    )
    assert moved > 0, "weights that stand still would agree too"
    return float(apart / moved)
