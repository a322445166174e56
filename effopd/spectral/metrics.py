"""The numbers of the paper's Table 1 for one update, and their averages over the matrices of a model (METHOD §4).

A zero update has no direction: its ratios are None, and averages leave the matrix out and count it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from effopd.spectral.geometry import Principal, geometry, norm, principal, update_spectrum
from effopd.spectral.modules import MatrixKind, WeightMatrix
from effopd.spectral.updates import NotFiniteError, check_fit

_ROWS_AT_ONCE = 16_384  # rows of an embedding in float64 at a time


@dataclass(frozen=True)
class MatrixMetrics:
    """One weight matrix's update. Norms are in the units of the weights; ratios are in 0…1, not per cent.

    layer: None for embeddings, the output head and other matrices outside attention and MLP modules.
    spectral_frobenius_ratio, effective_rank, top1_norm_ratio: None when the update is zero.
    relative_update_norm: ‖ΔW‖_F / ‖W_base‖_F, None when the base matrix is zero.
    principal_k and what follows: as in `Geometry`.
    """

    name: str
    layer: int | None
    kind: MatrixKind
    part: str
    rows: int
    columns: int
    base_norm: float
    update_norm: float
    relative_update_norm: float | None
    spectral_norm: float
    spectral_frobenius_ratio: float | None
    effective_rank: float | None
    top1_norm_ratio: float | None
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
class AverageMetrics:
    """Averages over the matrices whose update is not zero; None when there is none.

    total_update_norm: √Σ‖ΔW‖_F² over all matrices, the length of the whole step through weight space.
    unchanged_bf16: over all entries of all matrices, so that a large matrix counts for more.
    """

    matrices: int
    zero_updates: int
    total_update_norm: float
    update_norm: float | None
    relative_update_norm: float | None
    spectral_norm: float | None
    spectral_frobenius_ratio: float | None
    effective_rank: float | None
    top1_norm_ratio: float | None
    principal_energy_left: float | None
    principal_energy_right: float | None
    rotation_left: float | None
    rotation_right: float | None
    spectral_drift: float | None
    stable_rank: float | None
    unchanged_bf16: float
    top1_coordinate_energy: float | None


@dataclass(frozen=True)
class LayerUpdateNorm:
    """‖ΔW‖_F over the attention, or the MLP, matrices of one layer; relative to ‖W_base‖_F over the same matrices."""

    layer: int
    kind: MatrixKind
    update_norm: float
    relative_update_norm: float | None


@dataclass(frozen=True)
class EmbeddingCosine:
    """Mean cosine between base and trained rows of an embedding, over rows that are zero in neither."""

    mean: float | None
    rows: int
    zero_rows: int


def spectral_norm(singular_values_R: Tensor) -> float:
    """σ_1."""
    return float(singular_values_R[0])


def spectral_frobenius_ratio(singular_values_R: Tensor) -> float:
    """σ_1 / √Σσ_j², from 1/√r (all equal) to 1 (rank one)."""
    return float(singular_values_R[0] / torch.linalg.vector_norm(singular_values_R))


def effective_rank(singular_values_R: Tensor) -> float:
    """exp of the entropy of p_j = σ_j / Σσ, from 1 to r (Roy & Vetterli 2007, definition 1). σ, not σ²."""
    p_R = singular_values_R / singular_values_R.sum()
    return float(torch.special.entr(p_R).sum().exp())


def top1_norm_ratio(singular_values_R: Tensor) -> float:
    """√(Σ_{i ≤ k} σ_i² / Σσ_j²) with k = ⌈r/100⌉ and r = min(M, N): the leading 1 % of components' share of ‖ΔW‖_F."""
    k = -(-len(singular_values_R) // 100)
    norm = torch.linalg.vector_norm
    return float(norm(singular_values_R[:k]) / norm(singular_values_R))


def update_metrics(matrix: WeightMatrix, base_MN: Tensor, trained_MN: Tensor, top_k: int) -> MatrixMetrics:
    """All metrics of one matrix's update, without a copy of either in memory.

    top_k: how many directions of the base count as principal. Raises `DataError`, naming the matrix, for weights that
    are mis-shaped or non-floating, and `NotFiniteError`.
    """
    check_fit(matrix.name, base_MN, trained_MN)
    base_norm, moved = norm(base_MN), norm(trained_MN, base_MN)
    for role, length in (("base", base_norm), ("trained", moved)):
        if not math.isfinite(length):
            raise NotFiniteError(matrix.name, role)
    if moved == 0:
        values_R = torch.zeros(min(base_MN.shape), dtype=torch.float64)
        before = after = principal(base_MN, top_k)
    else:
        values_R = update_spectrum(base_MN, trained_MN).cpu()
        before, after = principal(base_MN, top_k), principal(trained_MN, top_k)
    return matrix_metrics(matrix, base_MN, trained_MN, base_norm, values_R, before, after)


def matrix_metrics(
    matrix: WeightMatrix,
    base_MN: Tensor,
    trained_MN: Tensor,
    base_norm: float,
    values_R: Tensor,
    before: Principal,
    after: Principal,
) -> MatrixMetrics:
    """All metrics of one matrix, given ‖W_base‖_F, its update's singular values and what is principal in both ends."""
    rows, columns = base_MN.shape
    update_norm = float(torch.linalg.vector_norm(values_R))
    is_zero = not bool(values_R.any())
    lies = geometry(base_MN, trained_MN, before, after, update_norm, spectral_norm(values_R))
    return MatrixMetrics(
        name=matrix.name,
        layer=matrix.layer,
        kind=matrix.kind,
        part=matrix.part,
        rows=rows,
        columns=columns,
        base_norm=base_norm,
        update_norm=update_norm,
        relative_update_norm=update_norm / base_norm if base_norm > 0 else None,
        spectral_norm=spectral_norm(values_R),
        spectral_frobenius_ratio=None if is_zero else spectral_frobenius_ratio(values_R),
        effective_rank=None if is_zero else effective_rank(values_R),
        top1_norm_ratio=None if is_zero else top1_norm_ratio(values_R),
        principal_k=lies.principal_k,
        principal_energy_left=lies.principal_energy_left,
        principal_energy_right=lies.principal_energy_right,
        rotation_left=lies.rotation_left,
        rotation_right=lies.rotation_right,
        spectral_drift=lies.spectral_drift,
        stable_rank=lies.stable_rank,
        unchanged_bf16=lies.unchanged_bf16,
        top1_coordinate_energy=lies.top1_coordinate_energy,
    )


def average_metrics(matrices: Sequence[MatrixMetrics]) -> AverageMetrics:
    """One row of Table 1: every matrix counts the same, whatever its size. Raises ValueError for no matrices."""
    if not matrices:
        raise ValueError("there are no matrices to average over")
    moved = [matrix for matrix in matrices if matrix.update_norm > 0]
    return AverageMetrics(
        matrices=len(moved),
        zero_updates=len(matrices) - len(moved),
        total_update_norm=math.sqrt(math.fsum(matrix.update_norm**2 for matrix in matrices)),
        update_norm=mean(matrix.update_norm for matrix in moved),
        relative_update_norm=mean(matrix.relative_update_norm for matrix in moved),
        spectral_norm=mean(matrix.spectral_norm for matrix in moved),
        spectral_frobenius_ratio=mean(matrix.spectral_frobenius_ratio for matrix in moved),
        effective_rank=mean(matrix.effective_rank for matrix in moved),
        top1_norm_ratio=mean(matrix.top1_norm_ratio for matrix in moved),
        principal_energy_left=mean(matrix.principal_energy_left for matrix in moved),
        principal_energy_right=mean(matrix.principal_energy_right for matrix in moved),
        rotation_left=mean(matrix.rotation_left for matrix in moved),
        rotation_right=mean(matrix.rotation_right for matrix in moved),
        spectral_drift=mean(matrix.spectral_drift for matrix in moved),
        stable_rank=mean(matrix.stable_rank for matrix in moved),
        unchanged_bf16=_over_entries(matrices),
        top1_coordinate_energy=mean(matrix.top1_coordinate_energy for matrix in moved),
    )


def _over_entries(matrices: Sequence[MatrixMetrics]) -> float:
    sizes = [matrix.rows * matrix.columns for matrix in matrices]
    return math.fsum(m.unchanged_bf16 * size for m, size in zip(matrices, sizes, strict=True)) / sum(sizes)


def layer_update_norms(matrices: Iterable[MatrixMetrics]) -> tuple[LayerUpdateNorm, ...]:
    """‖ΔW‖_F by layer, attention and MLP apart: the profile over depth. Zero updates count as zero here."""
    groups: dict[tuple[int, MatrixKind], list[MatrixMetrics]] = {}
    for matrix in matrices:
        if matrix.layer is not None:
            groups.setdefault((matrix.layer, matrix.kind), []).append(matrix)
    norms = []
    for (layer, kind), group in sorted(groups.items()):
        update_norm = math.sqrt(math.fsum(matrix.update_norm**2 for matrix in group))
        base_norm = math.sqrt(math.fsum(matrix.base_norm**2 for matrix in group))
        norms.append(LayerUpdateNorm(layer, kind, update_norm, update_norm / base_norm if base_norm > 0 else None))
    return tuple(norms)


def embedding_cosine(base_VD: Tensor, trained_VD: Tensor) -> EmbeddingCosine:
    """Mean cosine between the rows of two embeddings of one shape; zero rows (padding) are left out and counted.

    Raises ValueError for tensors that are not matrices of one shape.
    """
    if base_VD.ndim != 2 or base_VD.shape != trained_VD.shape:
        raise ValueError(
            f"embeddings must be matrices of one shape, got {tuple(base_VD.shape)} and {tuple(trained_VD.shape)}"
        )
    cosines = []
    chunks = zip(base_VD.split(_ROWS_AT_ONCE), trained_VD.split(_ROWS_AT_ONCE), strict=True)
    for base_rows, trained_rows in chunks:
        base_rows, trained_rows = base_rows.detach().double(), trained_rows.detach().double()
        norms = base_rows.norm(dim=1) * trained_rows.norm(dim=1)
        cosines.append(((base_rows * trained_rows).sum(dim=1)[norms > 0] / norms[norms > 0]).clamp(-1, 1))
    cosines_V = torch.cat(cosines)
    return EmbeddingCosine(
        mean=float(cosines_V.mean()) if len(cosines_V) else None,
        rows=len(cosines_V),
        zero_rows=len(base_VD) - len(cosines_V),
    )


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of the values that exist, summed exactly so that their order does not matter; None when none exists."""
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present else None
