"""The spectral picture of a model's update, and of a run's checkpoints. Weights are asked for one matrix at a time.

    rows = analyse_update(base, trained)           # one for each matrix; average_metrics(rows) is a row of Table 1
    analysis = analyse_trajectory(load, names, steps=[1, 2, 4, 8])  # load(step, name) reads one tensor

All rows are flat frozen dataclasses: `pyarrow.Table.from_pylist([asdict(row) for row in rows])`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor

from effopd.spectral.alignment import align, path_explained_variance
from effopd.spectral.decomposition import TOP_K, Decomposition, decompose
from effopd.spectral.metrics import AverageMetrics, MatrixMetrics, average_metrics, matrix_metrics, mean
from effopd.spectral.modules import ModuleKind, ModuleParameter, projection_matrices
from effopd.spectral.updates import weight_update

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")


@dataclass(frozen=True)
class MatrixAlignment:
    """One matrix, one checkpoint, one side, against the final checkpoint. The fields are SubspaceAlignment's."""

    step: int
    name: str
    layer: int
    kind: ModuleKind
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
    layer: int
    kind: ModuleKind
    part: str
    side: Side
    checkpoints: int
    explained_variance: float | None


@dataclass(frozen=True)
class MatrixSpectrum:
    """All singular values of one matrix's final update, descending."""

    name: str
    layer: int
    kind: ModuleKind
    part: str
    singular_values: tuple[float, ...]


@dataclass(frozen=True)
class TrajectoryAnalysis:
    """All rows of one run. `metrics` has one tuple of matrices for each step, `spectra` are the final step's."""

    metrics: dict[int, tuple[MatrixMetrics, ...]]
    spectra: tuple[MatrixSpectrum, ...]
    alignment: tuple[MatrixAlignment, ...]
    paths: tuple[MatrixPath, ...]

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


def analyse_update(base: Mapping[str, Tensor], trained: Mapping[str, Tensor]) -> tuple[MatrixMetrics, ...]:
    """Metrics of every attention and MLP weight matrix, in the order of the layers.

    base, trained: parameters by name; other parameters are ignored. A mapping that reads from disk on access keeps
    memory to one matrix. Raises ValueError, naming the parameter, for a missing, mis-shaped, non-floating or
    non-finite matrix.
    """
    rows = []
    for parameter in projection_matrices(base.keys() | trained.keys()):
        for role, weights in (("base", base), ("trained", trained)):
            if parameter.name not in weights:
                raise ValueError(f"{parameter.name}: missing from the {role} weights")
        base_MN = base[parameter.name]
        found = _decompose_parameter(parameter, base_MN, trained[parameter.name], top_k=0)
        rows.append(matrix_metrics(parameter, base_MN, found))
    return tuple(rows)


def analyse_trajectory(
    load: Callable[[int, str], Tensor],
    names: Iterable[str],
    steps: Sequence[int],
    *,
    base_step: int = 0,
    top_k: int = TOP_K,
) -> TrajectoryAnalysis:
    """Metrics, alignment with the final update and EVR_{0:2} for the checkpoints of one run.

    load: `load(step, name)` returns one parameter of one checkpoint; `load(base_step, name)` the base's.
    names: the model's parameters; the attention and MLP matrices among them are analysed.
    steps: the checkpoints, strictly ascending; the last one is the final update that others are aligned with.
    Matrix by matrix, then step by step: no more than two weight matrices and one decomposition beside the final one
    are in memory at once. Raises ValueError for unusable steps or, naming the step and parameter, for weights that do
    not fit.
    """
    if not steps or any(later <= earlier for earlier, later in pairwise(steps)) or steps[0] <= base_step:
        raise ValueError(f"steps must ascend strictly from beyond the base step {base_step}, got {list(steps)}")
    metrics: dict[int, list[MatrixMetrics]] = {step: [] for step in steps}
    alignment: list[MatrixAlignment] = []
    paths: list[MatrixPath] = []
    spectra: list[MatrixSpectrum] = []
    for parameter in projection_matrices(names):
        base_MN = load(base_step, parameter.name)
        final = _decompose_parameter(parameter, base_MN, load(steps[-1], parameter.name), top_k, steps[-1])
        values = tuple(final.singular_values.tolist())
        spectra.append(MatrixSpectrum(parameter.name, parameter.layer, parameter.kind, parameter.part, values))
        leading: dict[Side, list[Tensor]] = {side: [] for side in SIDES}
        for step in steps:
            if step == steps[-1]:
                found = final
            else:
                found = _decompose_parameter(parameter, base_MN, load(step, parameter.name), top_k, step)
            metrics[step].append(matrix_metrics(parameter, base_MN, found))
            for side in SIDES:
                vectors = _vectors(found, side)
                alignment.append(_matrix_alignment(step, parameter, side, vectors, _vectors(final, side)))
                if vectors.shape[1] > 0:
                    leading[side].append(vectors[:, 0].clone())  # a view would keep all k vectors alive
        paths.extend(_matrix_path(parameter, side, leading[side]) for side in SIDES)
    return TrajectoryAnalysis(
        {step: tuple(rows) for step, rows in metrics.items()}, tuple(spectra), tuple(alignment), tuple(paths)
    )


def _decompose_parameter(
    parameter: ModuleParameter, base_MN: Tensor, trained_MN: Tensor, top_k: int, step: int | None = None
) -> Decomposition:
    """ΔW's decomposition; errors name the parameter, and the step where there is one."""
    label = parameter.name if step is None else f"step {step}, {parameter.name}"
    update_MN = weight_update(label, base_MN, trained_MN)
    if update_MN.ndim != 2:
        raise ValueError(f"{label}: a weight matrix is expected, got shape {tuple(update_MN.shape)}")
    return decompose(update_MN, top_k)


def _vectors(decomposition: Decomposition, side: Side) -> Tensor:
    return decomposition.left if side == "left" else decomposition.right


def _matrix_alignment(
    step: int, parameter: ModuleParameter, side: Side, vectors_MK: Tensor, final_vectors_MK: Tensor
) -> MatrixAlignment:
    found = align(vectors_MK, final_vectors_MK)
    return MatrixAlignment(
        step=step,
        name=parameter.name,
        layer=parameter.layer,
        kind=parameter.kind,
        part=parameter.part,
        side=side,
        k=found.k,
        top_k_cosine=found.top_k_cosine,
        principal_angle=found.principal_angle,
        principal_angle_radians=found.principal_angle_radians,
    )


def _matrix_path(parameter: ModuleParameter, side: Side, leading: list[Tensor]) -> MatrixPath:
    return MatrixPath(
        name=parameter.name,
        layer=parameter.layer,
        kind=parameter.kind,
        part=parameter.part,
        side=side,
        checkpoints=len(leading),
        explained_variance=path_explained_variance(leading),
    )
