"""How early the updates of a run point where they end: singular vectors of each checkpoint's against the last one's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from effopd.checkpoints.pair import Pair, Place, match, not_finite, open_model
from effopd.checkpoints.spectrum import commits
from effopd.files import DataError
from effopd.models.folder import CONFIG
from effopd.spectral.analysis import SIDES, AverageAlignment, Side, TrajectoryAnalysis, analyse_trajectory
from effopd.spectral.decomposition import TOP_K
from effopd.spectral.metrics import AverageMetrics
from effopd.spectral.modules import LeftOut, left_out, weight_matrices
from effopd.spectral.updates import NotFiniteError

BASE = 0
"""The base's step: the others' are 1 or more."""


@dataclass(frozen=True)
class Aligned:
    """The checkpoints of a run. steps: by the number at the end of their names, or 1, 2, … in the order given.

    alignment: of each checkpoint's left and right singular vectors; the last checkpoint's is with itself.
    r_squared: None where steps are not named, since it is of weights on t.
    """

    base: str
    checkpoints: dict[int, str]
    steps_are_named: bool
    commits: dict[str, str]
    averages: dict[int, AverageMetrics]
    alignment: dict[Side, tuple[AverageAlignment, ...]]
    explained_variance: dict[Side, float | None]
    r_squared: float | None
    left_out: tuple[LeftOut, ...]
    numbers: int


def align(base: Place, checkpoints: Sequence[Place], *, top_k: int = TOP_K, progress: bool = False) -> Aligned:
    """Compare the update of each checkpoint with that of the last one, over all attention and MLP matrices.

    checkpoints: folders or OWNER/NAME@REVISION, or one folder whose sub-folders are checkpoints; the base among them is
    left out. top_k: the leading singular vectors that are compared. progress: a bar on stderr.
    Raises `DataError` in one line that names the file for models that are damaged, quantised or do not match.
    """
    start = open_model(base)
    places = _unfolded(checkpoints)
    named = _named_steps(places)
    models = {named.get(place, i): open_model(place) for i, place in enumerate(places, start=1)}
    models = {step: models[step] for step in sorted(models) if models[step].folder.resolve() != start.folder.resolve()}
    models.pop(BASE, None)  # a run's own copy of its base
    if not models:
        raise DataError(f"{', '.join(map(str, checkpoints))}: no checkpoint beside the base")
    pairs = {step: match(start, model) for step, model in models.items()}
    shapes = next(iter(pairs.values())).shapes
    for step, pair in pairs.items():
        if pair.shapes.keys() != shapes.keys():
            raise DataError(f"{models[step].folder}: it holds other tensors than {models[min(models)].folder}")
    analysis = _analyse(pairs, shapes, top_k, progress)
    return Aligned(
        base=start.name,
        checkpoints={step: model.name for step, model in models.items()},
        steps_are_named=bool(named),
        commits=commits(base=start, **{str(step): model for step, model in models.items()}),
        averages=analysis.averages(),
        alignment={side: analysis.average_alignment(side) for side in SIDES},
        explained_variance={side: analysis.explained_variance(side) for side in SIDES},
        r_squared=analysis.mean_r_squared() if named else None,
        left_out=left_out(shapes, weight_matrices(shapes)),
        numbers=next(iter(pairs.values())).numbers,
    )


def _analyse(
    pairs: dict[int, Pair], shapes: dict[str, tuple[int, ...]], top_k: int, progress: bool
) -> TrajectoryAnalysis:
    first = next(iter(pairs.values()))
    reads = len(weight_matrices(shapes)) * (len(pairs) + 1)
    with tqdm(total=reads, desc="align", unit="matrix", disable=not progress) as bar:

        def load(step: int, name: str) -> Tensor:
            bar.update()
            return first.tensors(name)[0] if step == BASE else pairs[step].trained.weights[name]

        try:
            return analyse_trajectory(load, shapes, list(pairs), base_step=BASE, top_k=top_k)
        except NotFiniteError as error:
            step, _, name = error.name.removeprefix("step ").partition(", ")
            model = first.base if error.role == "base" else pairs[int(step)].trained
            raise not_finite(model, name.partition("[")[0]) from None


def _unfolded(places: Sequence[Place]) -> list[Place]:
    """A single folder of checkpoints as the checkpoints in it."""
    if len(places) == 1 and Path(places[0]).is_dir() and not (Path(places[0]) / CONFIG).exists():
        inside = sorted(path.parent for path in Path(places[0]).glob(f"*/{CONFIG}"))
        if not inside:
            raise DataError(f"{places[0]}: neither a model (no {CONFIG}) nor a folder of models")
        return list(inside)
    return list(places)


def _named_steps(places: Sequence[Place]) -> dict[Place, int]:
    """The number at the end of each name (step_64, checkpoint-500, name@step_1); nothing unless all differ."""
    found = {place: re.search(r"(\d+)/*$", str(place)) for place in places}
    steps = {place: int(match[1]) for place, match in found.items() if match}
    return steps if len(set(steps.values())) == len(places) else {}
