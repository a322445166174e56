"""Interventions on the spectrum of an update: how much of it do the leading components carry? (METHOD §5)

Every parameter is truncated, embeddings included. A vector (norm, bias) is a matrix with one column, that is one
component, which belongs to the top. The top p % and the bottom (100 − p) % share no component and together are ΔW.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from effopd.interventions.weights import add_update, checked_pairs
from effopd.spectral.decomposition import low_rank_part


def rank_truncation_top(base: Mapping[str, Tensor], trained: Mapping[str, Tensor], percent: float) -> dict[str, Tensor]:
    """Keep the leading ⌈r·percent/100⌉ of each update's r = min(M, N) components, rescaled to the whole ‖ΔW‖_F.

    percent in (0, 100]; 100 gives the trained weights bit for bit. Raises ValueError for another percent, or, naming
    it, for a parameter with more than two axes.
    """
    _check_percent(percent)
    truncated = {}
    for name, before, after in checked_pairs(base, trained):
        update_MN = _as_matrix(name, before, after)
        kept = _top_count(update_MN, percent)
        if kept == min(update_MN.shape) or not bool(update_MN.any()):
            truncated[name] = after.clone()
            continue
        top_MN = low_rank_part(update_MN, kept)
        rescale = torch.linalg.vector_norm(update_MN) / torch.linalg.vector_norm(top_MN)
        truncated[name] = add_update(before, (rescale * top_MN).reshape(before.shape))
    return truncated


def rank_truncation_bottom(
    base: Mapping[str, Tensor], trained: Mapping[str, Tensor], percent: float
) -> dict[str, Tensor]:
    """Keep the trailing components alone: what the top (100 − percent) % leaves, not rescaled.

    percent in (0, 100]; 100 gives the trained weights bit for bit. Raises ValueError as rank_truncation_top does.
    """
    _check_percent(percent)
    truncated = {}
    for name, before, after in checked_pairs(base, trained):
        update_MN = _as_matrix(name, before, after)
        dropped = _top_count(update_MN, 100 - percent)
        if dropped == 0 or not bool(update_MN.any()):
            truncated[name] = after.clone()
        elif dropped == min(update_MN.shape):
            truncated[name] = before.clone()
        else:
            bottom_MN = update_MN - low_rank_part(update_MN, dropped)
            truncated[name] = add_update(before, bottom_MN.reshape(before.shape))
    return truncated


def _as_matrix(name: str, before: Tensor, after: Tensor) -> Tensor:
    if before.ndim > 2:
        raise ValueError(f"{name}: rank truncation needs at most two axes, got shape {tuple(before.shape)}")
    update = after.double() - before.double()
    return update if update.ndim == 2 else update.reshape(-1, 1)


def _top_count(update_MN: Tensor, percent: float) -> int:
    return math.ceil(min(update_MN.shape) * percent / 100)


def _check_percent(percent: float) -> None:
    if not 0 < percent <= 100:
        raise ValueError(f"percent must be above 0 and at most 100, got {percent}")
