"""The spectral picture of a model's update, and of a run's checkpoints. Weights are asked for one matrix at a time.

    rows = analyse_update(base, trained)           # one for each matrix; average_metrics(rows) is a row of Table 1
    analysis = analyse_trajectory(load, shapes, steps=[1, 2, 4, 8])  # load(step, name) reads one tensor

All rows are flat frozen dataclasses: `pyarrow.Table.from_pylist([asdict(row) for row in rows])`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from effopd.spectral.alignment import align, path_explained_variance
from effopd.spectral.decomposition import TOP_K, Decomposition, decompose
from effopd.spectral.geometry import principal
from effopd.spectral.linearity import Line
from effopd.spectral.metrics import (
    AverageMetrics,
    MatrixMetrics,
    average_metrics,
    matrix_metrics,
    mean,
    update_metrics,
)
from effopd.spectral.modules import MatrixKind, Shapes, WeightMatrix, weight_matrices
from effopd.spectral.updates import weight_update

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")


@dataclass(frozen=True)
class MatrixAlignment:
    """One matrix, one checkpoint, one side, against the final checkpoint. The fields are SubspaceAlignment's."""

    step: int
    name: str
    layer: int | None
    kind: MatrixKind
    part: str
    side: Side
    k: int
    top_k_cosine: float | None
    principal_angle: float | None
    principal_angle_radians: float | None


@dataclass(frozen=True)
class AverageAlignment:
    """Mean of MatrixAlignment over the matrices that have a direction at this checkpoint and at the final one.

    progress: step / final step.
    """

    step: int
    progress: float
    side: Side
    matrices: int
    zero_updates: int
    top_k_cosine: float | None
    principal_angle: float | None
    principal_angle_radians: float | None


@dataclass(frozen=True)
class MatrixPath:
    """EVR_{0:2} of one matrix's leading singular vector over the checkpoints at which its update is not zero."""

    name: str
    layer: int | None
    kind: MatrixKind
    part: str
    side: Side
    checkpoints: int
    explained_variance: float | None


@dataclass(frozen=True)
class MatrixSpectrum:
    """All singular values of one matrix's final update, descending."""

    name: str
    layer: int | None
    kind: MatrixKind
    part: str
    singular_values: tuple[float, ...]


@dataclass(frozen=True)
class MatrixLinearity:
    """How straight one matrix's weights go: R² of their fit by lines in t, the base among the checkpoints.

    Over all entries together, 1 − Σ(residual)² / Σ(deviation from the mean)², so that those which move most count most
    (arXiv 2601.04537). None for fewer than three checkpoints with the base, which always lie on a line, and for a
    matrix that never moves.
    """

    name: str
    layer: int | None
    kind: MatrixKind
    part: str
    checkpoints: int
    r_squared: float | None


@dataclass(frozen=True)
class TrajectoryAnalysis:
    """All rows of one run. `metrics` has one tuple of matrices for each step, `spectra` are the final step's."""

    metrics: dict[int, tuple[MatrixMetrics, ...]]
    spectra: tuple[MatrixSpectrum, ...]
    alignment: tuple[MatrixAlignment, ...]
    paths: tuple[MatrixPath, ...]
    linearity: tuple[MatrixLinearity, ...]

    def averages(self) -> dict[int, AverageMetrics]:
        """Table 1's row at each step."""
        return {step: average_metrics(matrices) for step, matrices in self.metrics.items()}

    def average_alignment(self, side: Side = "left") -> tuple[AverageAlignment, ...]:
        """Alignment with the final update at each step; the paper's side, u, by default."""
        final_step = max(self.metrics)
        averages = []
        for step in self.metrics:
            rows = [row for row in self.alignment if row.step == step and row.side == side]
            aligned = [row for row in rows if row.k > 0]
            averages.append(
                AverageAlignment(
                    step=step,
                    progress=step / final_step,
                    side=side,
                    matrices=len(aligned),
                    zero_updates=len(rows) - len(aligned),
                    top_k_cosine=mean(row.top_k_cosine for row in aligned),
                    principal_angle=mean(row.principal_angle for row in aligned),
                    principal_angle_radians=mean(row.principal_angle_radians for row in aligned),
                )
            )
        return tuple(averages)

    def explained_variance(self, side: Side = "left") -> float | None:
        """Mean EVR_{0:2} over the matrices that have one; None when no matrix has four checkpoints with a direction."""
        return mean(path.explained_variance for path in self.paths if path.side == side)

    def mean_r_squared(self) -> float | None:
        """Mean R² of the weights on t over the matrices that have one."""
        return mean(row.r_squared for row in self.linearity)


def analyse_update(
    base: Mapping[str, Tensor], trained: Mapping[str, Tensor], top_k: int = TOP_K
) -> tuple[MatrixMetrics, ...]:
    """Metrics of every attention and MLP weight matrix, in the order of the layers.

    base, trained: parameters by name; other parameters are ignored. A mapping that reads from disk on access keeps
    memory to one matrix. top_k: how many directions of the base count as principal. Raises ValueError, naming the
    parameter, for a missing, mis-shaped, non-floating or non-finite matrix.
    """
    shapes = {name: weights[name].shape for weights in (trained, base) for name in weights}
    rows = []
    for matrix in weight_matrices(shapes):
        for role, weights in (("base", base), ("trained", trained)):
            if matrix.parameter not in weights:
                raise ValueError(f"{matrix.parameter}: missing from the {role} weights")
        base_MN, trained_MN = (matrix.of(weights) for weights in (base, trained))
        rows.append(update_metrics(matrix, base_MN, trained_MN, top_k))
    return tuple(rows)


def analyse_trajectory(
    load: Callable[[int, str], Tensor],
    shapes: Shapes,
    steps: Sequence[int],
    *,
    base_step: int = 0,
    top_k: int = TOP_K,
) -> TrajectoryAnalysis:
    """Metrics, alignment with the final update and EVR_{0:2} for the checkpoints of one run.

    load: `load(step, name)` returns one parameter of one checkpoint; `load(base_step, name)` the base's.
    shapes: of the model's parameters; the attention and MLP matrices among them are analysed.
    steps: the checkpoints, strictly ascending; the last one is the final update that others are aligned with.
    top_k: the leading singular vectors that are compared, and the directions of the base that count as principal.
    Matrix by matrix, then step by step: no more than two weight matrices, two sums over the checkpoints and one
    decomposition beside the final one are in memory at once. Raises ValueError for unusable steps or, naming the step
    and parameter, for weights that do not fit.
    """
    if not steps or any(later <= earlier for earlier, later in pairwise(steps)) or steps[0] <= base_step:
        raise ValueError(f"steps must ascend strictly from beyond the base step {base_step}, got {list(steps)}")
    metrics: dict[int, list[MatrixMetrics]] = {step: [] for step in steps}
    alignment: list[MatrixAlignment] = []
    paths: list[MatrixPath] = []
    spectra: list[MatrixSpectrum] = []
    linearity: list[MatrixLinearity] = []
    for matrix in weight_matrices(shapes):
        base_MN = matrix.taken_from(load(base_step, matrix.parameter))
        last_MN = matrix.taken_from(load(steps[-1], matrix.parameter))
        final = decompose(weight_update(f"step {steps[-1]}, {matrix.name}", base_MN, last_MN), top_k)
        values = tuple(final.singular_values.tolist())
        spectra.append(MatrixSpectrum(matrix.name, matrix.layer, matrix.kind, matrix.part, values))
        base_norm = float(torch.linalg.vector_norm(base_MN.detach().double()))
        before = principal(base_MN, top_k)
        line = Line([base_step, *steps])
        leading: dict[Side, list[Tensor]] = {side: [] for side in SIDES}
        for step in steps:
            trained_MN = last_MN if step == steps[-1] else matrix.taken_from(load(step, matrix.parameter))
            update_MN = weight_update(f"step {step}, {matrix.name}", base_MN, trained_MN)
            line.add(step, update_MN)
            found = final if step == steps[-1] else decompose(update_MN, top_k)
            after = before if found.is_zero else principal(trained_MN, top_k)
            values_R = found.singular_values
            metrics[step].append(matrix_metrics(matrix, base_MN, trained_MN, base_norm, values_R, before, after))
            for side in SIDES:
                vectors = _vectors(found, side)
                alignment.append(_matrix_alignment(step, matrix, side, vectors, _vectors(final, side)))
                if vectors.shape[1] > 0:
                    leading[side].append(vectors[:, 0].clone())  # a view would keep all k vectors alive
        paths.extend(_matrix_path(matrix, side, leading[side]) for side in SIDES)
        linearity.append(
            MatrixLinearity(matrix.name, matrix.layer, matrix.kind, matrix.part, len(steps) + 1, line.r_squared())
        )
    rows = {step: tuple(found) for step, found in metrics.items()}
    return TrajectoryAnalysis(rows, tuple(spectra), tuple(alignment), tuple(paths), tuple(linearity))


def _vectors(decomposition: Decomposition, side: Side) -> Tensor:
    return decomposition.left if side == "left" else decomposition.right


def _matrix_alignment(
    step: int, matrix: WeightMatrix, side: Side, vectors_MK: Tensor, final_vectors_MK: Tensor
) -> MatrixAlignment:
    found = align(vectors_MK, final_vectors_MK)
    return MatrixAlignment(
        step=step,
        name=matrix.name,
        layer=matrix.layer,
        kind=matrix.kind,
        part=matrix.part,
        side=side,
        k=found.k,
        top_k_cosine=found.top_k_cosine,
        principal_angle=found.principal_angle,
        principal_angle_radians=found.principal_angle_radians,
    )


def _matrix_path(matrix: WeightMatrix, side: Side, leading: list[Tensor]) -> MatrixPath:
    return MatrixPath(
        name=matrix.name,
        layer=matrix.layer,
        kind=matrix.kind,
        part=matrix.part,
        side=side,
        checkpoints=len(leading),
        explained_variance=path_explained_variance(leading),
    )
