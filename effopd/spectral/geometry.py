"""Where an update lies in the matrix that it changes: what arXiv 2511.08567 and 2606.07082 report beside its spectrum.

Everything is computed from pieces of a few million entries, so that a matrix is never in memory in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from effopd.spectral.alignment import principal_angles
from effopd.spectral.decomposition import decompose_tall

_NUMBERS_AT_ONCE = 2**22  # entries of a matrix in float64 at a time: 32 MiB
_TOP_SHARE = 0.01


@dataclass(frozen=True)
class Geometry:
    """How an update ΔW = W − W_base of one matrix lies in W_base. Shares are in 0…1.

    principal_k: how many leading singular directions of the base count as principal; less than asked for where the
        base has a lower rank, and 0 for a base of zeros, which has none.
    principal_energy_left, _right: ‖U_kᵀΔW‖² / ‖ΔW‖² and ‖ΔW V_k‖² / ‖ΔW‖², with the base's leading left and right
        singular vectors; chance gives k / M and k / N.
    rotation_left, _right: mean principal angle, in radians, between these subspaces of W_base and of W.
    spectral_drift: ‖σ(W) − σ(W_base)‖ / ‖σ(W_base)‖ over all singular values.
    stable_rank: ‖ΔW‖_F² / σ_1².
    unchanged_bf16: the share of entries that are the same in bfloat16.
    top1_coordinate_energy: the share of ‖ΔW‖² in the 1 % of entries (rounded up) that moved most.
    What an update of zero does not have is None.
    """

    principal_k: int
    principal_energy_left: float | None
    principal_energy_right: float | None
    rotation_left: float | None
    rotation_right: float | None
    spectral_drift: float | None
    stable_rank: float | None
    unchanged_bf16: float
    top1_coordinate_energy: float | None


@dataclass(frozen=True)
class Principal:
    """All singular values (R,) of a matrix, and its K leading singular vectors on its shorter and its longer side."""

    values_R: Tensor
    short_RK: Tensor
    long_LK: Tensor


def principal(weight_MN: Tensor, top_k: int) -> Principal:
    """The singular values and leading directions of a matrix of any floating dtype, on its device, in float64."""
    values_R, short_RK = decompose_tall(partial(pieces_of, weight_MN), top_k)
    kept = int((values_R[: short_RK.shape[1]] > 0).sum())
    short_RK = short_RK[:, :kept]
    long_LK = torch.cat([piece @ short_RK for piece in pieces_of(weight_MN)]) / values_R[:kept]
    return Principal(values_R, short_RK, long_LK)


def geometry(
    base_MN: Tensor, trained_MN: Tensor, before: Principal, after: Principal, update_norm: float, largest: float
) -> Geometry:
    """The geometry of an update, given what `principal` says of both ends, ‖ΔW‖_F and σ_1 of the update."""
    unchanged = _unchanged(base_MN, trained_MN)
    k = before.short_RK.shape[1]
    if update_norm == 0:
        return Geometry(k, None, None, None, None, None, None, unchanged, None)
    energy = update_norm**2
    on_short, on_long = _energies(base_MN, trained_MN, before)
    sides = (on_short / energy, on_long / energy)
    turned = (_rotation(before.short_RK, after.short_RK), _rotation(before.long_LK, after.long_LK))
    if base_MN.shape[0] > base_MN.shape[1]:  # the longer side is the left one
        sides, turned = sides[::-1], turned[::-1]
    length = float(torch.linalg.vector_norm(before.values_R))
    return Geometry(
        principal_k=k,
        principal_energy_left=sides[0] if k else None,
        principal_energy_right=sides[1] if k else None,
        rotation_left=turned[0],
        rotation_right=turned[1],
        spectral_drift=float(torch.linalg.vector_norm(after.values_R - before.values_R)) / length if length else None,
        stable_rank=energy / largest**2,
        unchanged_bf16=unchanged,
        top1_coordinate_energy=_top_energy(base_MN, trained_MN) / energy,
    )


def pieces_of(weight_MN: Tensor, minus_MN: Tensor | None = None) -> Iterator[Tensor]:
    """The matrix, or its difference from another, in float64, a few rows of its longer side at a time."""
    wide = weight_MN.shape[0] <= weight_MN.shape[1]
    tall_LR, minus_LR = weight_MN.detach(), minus_MN
    if wide:
        tall_LR, minus_LR = tall_LR.T, None if minus_MN is None else minus_MN.T
    height = max(1, _NUMBERS_AT_ONCE // tall_LR.shape[1])
    for start in range(0, tall_LR.shape[0], height):
        piece = tall_LR[start : start + height].double()
        yield piece if minus_LR is None else piece - minus_LR[start : start + height].double()


def update_spectrum(base_MN: Tensor, trained_MN: Tensor) -> Tensor:
    """All singular values of the update, descending, float64."""
    return decompose_tall(partial(pieces_of, trained_MN, base_MN), 0)[0]


def norm(weight_MN: Tensor, minus_MN: Tensor | None = None) -> float:
    """The Frobenius norm of a matrix, or of its difference from another, in float64."""
    return math.sqrt(math.fsum(float(piece.square().sum()) for piece in pieces_of(weight_MN, minus_MN)))


def _energies(base_MN: Tensor, trained_MN: Tensor, before: Principal) -> tuple[float, float]:
    """‖ΔW‖² inside the base's leading subspace of the shorter and of the longer side."""
    on_short, start = 0.0, 0
    on_long_KR = before.short_RK.new_zeros(before.short_RK.shape[1], before.short_RK.shape[0])
    for piece in pieces_of(trained_MN, base_MN):
        on_short += float((piece @ before.short_RK).square().sum())
        on_long_KR += before.long_LK[start : start + len(piece)].T @ piece
        start += len(piece)
    return on_short, float(on_long_KR.square().sum())


def _rotation(before_MK: Tensor, after_MK: Tensor) -> float | None:
    k = min(before_MK.shape[1], after_MK.shape[1])
    return float(principal_angles(before_MK[:, :k], after_MK[:, :k]).mean()) if k else None


def _unchanged(base_MN: Tensor, trained_MN: Tensor) -> float:
    height = max(1, _NUMBERS_AT_ONCE // base_MN.shape[1])
    same = sum(
        int((one.bfloat16() == other.bfloat16()).sum())
        for one, other in zip(base_MN.split(height), trained_MN.split(height), strict=True)
    )
    return same / base_MN.numel()


def _top_energy(base_MN: Tensor, trained_MN: Tensor) -> float:
    """Σ of the largest squares among the entries of the update."""
    keep = math.ceil(_TOP_SHARE * base_MN.numel())
    largest = torch.zeros(0, dtype=torch.float64, device=base_MN.device)
    for piece in pieces_of(trained_MN, base_MN):
        largest = torch.cat([largest, piece.flatten().square()])
        if len(largest) > keep:
            largest = largest.topk(keep, sorted=False).values
    return float(largest.sum())
