"""What all interventions share: checked pairs of models, and W_base + s·ΔW with exact ends."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from effopd.spectral.updates import check_pair, check_same_names


def checked_pairs(base: Mapping[str, Tensor], trained: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(name, base, trained) for every parameter, in the base's order.

    Raises ValueError, naming the parameter, unless both models have the same names and each pair is floating, finite
    and of one shape and dtype. Buffers of integers pass when they are equal: no update moves them.
    """
    check_same_names(base, trained)
    for name in base:
        base_weight, trained_weight = base[name], trained[name]
        if base_weight.is_floating_point() or not torch.equal(base_weight, trained_weight):
            check_pair(name, base_weight, trained_weight)
        if base_weight.dtype != trained_weight.dtype:
            raise ValueError(f"{name}: base is {base_weight.dtype}, trained {trained_weight.dtype}; use one dtype")
        yield name, base_weight.detach(), trained_weight.detach()


def moved(base: Tensor, trained: Tensor, scale: float) -> Tensor:
    """W_base + scale·ΔW. Scale 0 is the base and scale 1 the trained tensor, bit for bit: sums would round."""
    if scale == 0:
        return base.clone()
    if scale == 1:
        return trained.clone()
    return add_update(base, scale * (trained.double() - base.double()))


def add_update(base: Tensor, update: Tensor) -> Tensor:
    """W_base + update, summed in float64 and rounded once to the base's dtype."""
    return (base.double() + update).to(base.dtype)
