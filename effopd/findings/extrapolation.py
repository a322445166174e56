"""Fixed extrapolation beside EffOPD: what predicting the final weights from a run's first checkpoints gives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from effopd.findings.estimates import Interval, as_accuracy, as_columns, pooled
from effopd.findings.interventions import Apart
from effopd.findings.measures import label_of
from effopd.findings.results import Checkpoint, Results

OBSERVED, LEAPING = "observed checkpoint", "EffOPD at that step"
NAMES: dict[str | None, str] = {"observed": OBSERVED, "linear": "linear", "relex": "RELEX", "alpha_opd": "AlphaOPD"}
"""What stands side by side, by its setting: first the checkpoint that predictions start from."""


@dataclass(frozen=True)
class Extrapolated:
    """Weights that stand for the final ones, known after `step` steps: a share `progress` of a method's training.

    gap: their accuracy minus that of the observed checkpoint, in pairs. length: ‖ΔW‖ over that of the final update; NaN
    when nothing was trained. None for EffOPD, whose accuracy is from its learning curve.
    """

    method: str
    progress: float
    step: int
    weights: str
    accuracy: Interval
    update_norm: float | None
    gap: Interval | None
    length: float

    @property
    def overshoots(self) -> bool:
        """Longer than the final update and, beyond the interval, less accurate than the checkpoint it starts from."""
        return self.length > 1 and self.gap is not None and self.gap.high < 0

    @property
    def row(self) -> dict[str, Any]:
        known = {"method": label_of(self.method), "progress": self.progress, "step": self.step, "weights": self.weights}
        return known | {"update_norm": self.update_norm} | as_accuracy(self.accuracy) | as_columns("gap", self.gap)


def extrapolated(results: Results, method: str, one: Apart) -> Iterator[Extrapolated]:
    """By share of training observed: the checkpoint, what each method predicts from it, and EffOPD after as many steps.

    Reinforcement learning has no such neighbour: a step of it costs more completions.
    """
    final = one.update_norm(one.trained)
    for seen in sorted(one.rows("extrapolated", extrapolation="observed"), key=lambda row: row.progress or 0):
        progress, step = seen.progress or 0.0, seen.step or 0
        rows = one.rows("extrapolated", progress=progress)
        for row in sorted((row for row in rows if row.extrapolation in NAMES), key=lambda row: row is not seen):
            norm, gap = one.update_norm(row), one.difference(row, seen)
            length = norm / final if final else math.nan
            yield Extrapolated(method, progress, step, NAMES[row.extrapolation], one.accuracy(row), norm, gap, length)
        leaping = pooled(at_step(results, "effopd", step)) if method == "opd" else None
        if leaping is not None:
            yield Extrapolated(method, progress, step, LEAPING, leaping, None, None, math.nan)


def at_step(results: Results, method: str, step: int) -> tuple[Checkpoint, ...]:
    """The checkpoint after `step` of each replicate; nothing when one of them has none."""
    found = [[point for point in run.curve if point.step == step] for run in results.of(method)]
    return tuple(points[0] for points in found) if all(found) else ()
