"""The numbers of the paper's Table 1 for one update, and their averages over the matrices of a model (METHOD §4).

A zero update has no direction: its ratios are None, and averages leave the matrix out and count it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from effopd.spectral.decomposition import Decomposition
from effopd.spectral.modules import ModuleKind, ModuleParameter

_ROWS_AT_ONCE = 16_384  # rows of an embedding in float64 at a time


@dataclass(frozen=True)
class MatrixMetrics:
    """One weight matrix's update. Norms are in the units of the weights; ratios are in 0…1, not per cent.

    spectral_frobenius_ratio, effective_rank, top1_norm_ratio: None when the update is zero.
    relative_update_norm: ‖ΔW‖_F / ‖W_base‖_F, None when the base matrix is zero.
    """

    name: str
    layer: int
    kind: ModuleKind
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


@dataclass(frozen=True)
class AverageMetrics:
    """Averages over the matrices whose update is not zero; None when there is none.

    total_update_norm: √Σ‖ΔW‖_F² over all matrices, the length of the whole step through weight space.
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


@dataclass(frozen=True)
class LayerUpdateNorm:
    """‖ΔW‖_F over the attention, or the MLP, matrices of one layer; relative to ‖W_base‖_F over the same matrices."""

    layer: int
    kind: ModuleKind
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


def matrix_metrics(parameter: ModuleParameter, base_MN: Tensor, decomposition: Decomposition) -> MatrixMetrics:
    """All metrics of one matrix, from its base weights and the decomposition of its update."""
    values_R = decomposition.singular_values
    rows, columns = base_MN.shape
    base_norm = float(torch.linalg.vector_norm(base_MN.detach().double()))
    update_norm = float(torch.linalg.vector_norm(values_R))
    is_zero = decomposition.is_zero
    return MatrixMetrics(
        name=parameter.name,
        layer=parameter.layer,
        kind=parameter.kind,
        part=parameter.part,
        rows=rows,
        columns=columns,
        base_norm=base_norm,
        update_norm=update_norm,
        relative_update_norm=update_norm / base_norm if base_norm > 0 else None,
        spectral_norm=spectral_norm(values_R),
        spectral_frobenius_ratio=None if is_zero else spectral_frobenius_ratio(values_R),
        effective_rank=None if is_zero else effective_rank(values_R),
        top1_norm_ratio=None if is_zero else top1_norm_ratio(values_R),
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
    )


def layer_update_norms(matrices: Iterable[MatrixMetrics]) -> tuple[LayerUpdateNorm, ...]:
    """‖ΔW‖_F by layer, attention and MLP apart: the profile over depth. Zero updates count as zero here."""
    groups: dict[tuple[int, ModuleKind], list[MatrixMetrics]] = {}
    for matrix in matrices:
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
