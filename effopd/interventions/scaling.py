"""Interventions on the length of an update: does its direction alone carry the performance? (METHOD §5)"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from effopd.interventions.weights import checked_pairs, moved
from effopd.spectral.modules import HEAD_NAME, has_tied_head


def alpha_scaling(base: Mapping[str, Tensor], trained: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """W_base + αΔW for every parameter.

    α from 0 (base) to 1 (trained), both bit for bit; larger values extrapolate. Raises ValueError when α is not finite.
    """
    _check_finite("alpha", alpha)
    return {name: moved(before, after, alpha) for name, before, after in checked_pairs(base, trained)}


def update_norm(base: Mapping[str, Tensor], trained: Mapping[str, Tensor]) -> float:
    """‖ΔW‖, the Frobenius norm over all parameters together; a tied head is counted once."""
    skipped = {HEAD_NAME} if has_tied_head(base) and has_tied_head(trained) else set()
    pairs = checked_pairs(base, trained)
    return math.sqrt(math.fsum(_norm(before, after) ** 2 for name, before, after in pairs if name not in skipped))


def magnitude_rescaling(
    base: Mapping[str, Tensor], early: Mapping[str, Tensor], final: Mapping[str, Tensor], beta: float = 1.0
) -> dict[str, Tensor]:
    """The early update's direction at the final update's length, parameter by parameter.

    W_base + ΔW_early · (1 + β(‖ΔW_final‖_F − ‖ΔW_early‖_F) / ‖ΔW_early‖_F); β = 1, the decisive experiment, is
    W_base + ΔW_early / ‖ΔW_early‖_F · ‖ΔW_final‖_F, and β = 0 the early weights bit for bit. Above β = 1 a parameter
    whose update shrank may turn round. A parameter that has not moved yet has no direction and stays at the base
    (`unmoved` lists them). Raises ValueError when β is not finite.
    """
    _check_finite("beta", beta)
    final_norms = {name: _norm(before, after) for name, before, after in checked_pairs(base, final)}
    rescaled = {}
    for name, before, after in checked_pairs(base, early):
        early_norm = _norm(before, after)
        scale = 1 + beta * (final_norms[name] - early_norm) / early_norm if early_norm > 0 else 0.0
        rescaled[name] = moved(before, after, scale)
    return rescaled


def unmoved(base: Mapping[str, Tensor], trained: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The parameters whose update is zero: they have no direction, and reports count them."""
    return tuple(name for name, before, after in checked_pairs(base, trained) if torch.equal(before, after))


def _norm(before: Tensor, after: Tensor) -> float:
    return float(torch.linalg.vector_norm(after.double() - before.double()))


def _check_finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value}")
