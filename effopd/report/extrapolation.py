"""Fixed extrapolation beside EffOPD: what predicting the final weights from a run's first checkpoints gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean

import altair as alt

from effopd.report.figures import GREY, LABELS, PALETTE, Choice, Figure, Row, data, layered, legend
from effopd.report.interventions import Apart, Interval, Intervened
from effopd.report.mechanism import ACCURACY, Parts
from effopd.report.results import Checkpoint, Results

OBSERVED, EFFOPD = "observed checkpoint", "EffOPD at that step"
SHOWN = {
    OBSERVED: GREY,
    "linear": "#cc79a7",
    "RELEX": "#b8860b",
    "AlphaOPD": "#8c6bb1",
    EFFOPD: PALETTE["effopd"],
}
"""What stands side by side, and its colour."""
FIXED: dict[str | None, str] = {"linear": "linear", "relex": "RELEX", "alpha_opd": "AlphaOPD"}


@dataclass(frozen=True)
class Prediction:
    """What one fixed method predicts.

    gap: its accuracy minus the observed checkpoint's, in pairs. length: ‖ΔW‖ over that of the final update; NaN when
    nothing was trained.
    """

    name: str
    row: Intervened
    gap: Interval
    length: float

    @property
    def overshoots(self) -> bool:
        """Longer than the final update and, beyond the interval, less accurate than the checkpoint it starts from."""
        return self.length > 1 and self.gap.high < 0


@dataclass(frozen=True)
class Observed:
    """A share of a run's training, its last checkpoint, and what fixed methods predict from there."""

    progress: float
    step: int
    checkpoint: Intervened
    predictions: tuple[Prediction, ...]


def observations(one: Apart) -> tuple[Observed, ...]:
    """By share of training, ascending."""
    found = []
    final = one.update_norm(one.ends[1])
    for checkpoint in sorted(one.rows("extrapolated", extrapolation="observed"), key=lambda row: row.progress or 0):
        rows = one.rows("extrapolated", progress=checkpoint.progress)
        predictions = [
            Prediction(
                FIXED[row.extrapolation],
                row,
                one.difference(row, checkpoint),
                one.update_norm(row) / final if final else math.nan,
            )
            for row in rows
            if row.extrapolation in FIXED
        ]
        found.append(Observed(checkpoint.progress or 0, checkpoint.step or 0, checkpoint, tuple(predictions)))
    return tuple(found)


def at_step(results: Results, method: str, step: int) -> tuple[Checkpoint, ...]:
    """The checkpoint after `step` of each replicate; nothing when one of them has none."""
    found = [[point for point in run.curve if point.step == step] for run in results.of(method)]
    return tuple(points[0] for points in found) if all(found) else ()


def extrapolated_rows(results: Results, method: str, one: Apart) -> list[Row]:
    """Accuracies from each share observed; those of EffOPD, for OPD's shares, are from its learning curve."""
    rows: list[Row] = []
    for seen in observations(one):
        settings = {"method": LABELS.get(method, method), "progress": seen.progress, "step": seen.step}
        for name, row in ((OBSERVED, seen.checkpoint), *((found.name, found.row) for found in seen.predictions)):
            accuracy, gap = one.accuracy(row), one.difference(row, seen.checkpoint)
            rows.append(settings | {"weights": name, "update_norm": one.update_norm(row)} | _measured(accuracy, gap))
        if points := _leaping(results, method, seen):
            each = [point.accuracy for point in points]
            low, high = fmean(point.low for point in points), fmean(point.high for point in points)
            accuracy = Interval(fmean(each), low, high, min(each), max(each))
            rows.append(settings | {"weights": EFFOPD, "update_norm": None} | _measured(accuracy, None))
    return rows


def extrapolation(results: Results, apart: Parts) -> Figure | None:
    """Bars for each share observed, one method taken apart at a time; None when nothing was predicted."""
    taken = {method: one for method, one in apart.items() if observations(one)}
    if not taken:
        return None
    rows = [row for method, one in taken.items() for row in extrapolated_rows(results, method, one)]
    ends = [
        {"method": LABELS.get(method, method), "accuracy": one.accuracy(end).value, "name": name}
        for method, one in taken.items()
        for name, end in zip(("base", "final"), one.ends, strict=True)
    ]
    names = [name for name in SHOWN if any(row["weights"] == name for row in rows)]
    chart = alt.Chart(data(rows)).transform_filter("datum.method == method")
    rules = alt.Chart(data(ends)).transform_filter("datum.method == method").encode(y="accuracy:Q")
    room = alt.Scale(paddingOuter=0.35)  # for the names of the lines
    x = alt.X("progress:O", title="share of training observed", scale=room, axis=alt.Axis(format="~%", labelAngle=0))
    offset = alt.XOffset("weights:N", sort=names)
    scale = alt.Scale(domain=names, range=[SHOWN[name] for name in names])
    return Figure(
        name="extrapolation",
        title="Fixed extrapolation, which checks nothing",
        caption="Accuracy of what is predicted, and in brackets the length of its update over the final one's. "
        f"{' '.join(_said(results, method, taken[method]) for method in reversed(taken))} AlphaOPD alone is told of "
        "accuracies, those on training prompts up to the last one. Whiskers are intervals over problems.",
        description="Bar chart of accuracy of the final weights as predicted from the first checkpoints, by method.",
        chart=layered(
            chart.mark_bar().encode(
                x=x,
                xOffset=offset,
                y=alt.Y("accuracy:Q", title="accuracy", scale=ACCURACY),
                color=alt.Color("weights:N", title=None, scale=scale, legend=legend(2)),
                tooltip=["method:N", "step:Q", "weights:N", "update_norm:Q", "accuracy:Q", "low:Q", "high:Q", "gap:Q"],
            ),
            chart.mark_rule(strokeWidth=1.5).encode(x=x, xOffset=offset, y="low:Q", y2="high:Q"),
            rules.mark_rule(strokeDash=[3, 3], color=GREY),
            rules.mark_text(align="left", dx=4, dy=-6, color=GREY).encode(x=alt.value(0), text="name:N"),
        ),
        rows=rows,
        wide=True,
        controls=[Choice("method", "Run", [LABELS.get(method, method) for method in reversed(taken)])],
    )


def _said(results: Results, method: str, one: Apart) -> str:
    """A sentence for each share observed."""
    said = []
    for seen in observations(one):
        each = [
            f"{found.name} {one.accuracy(found.row).value:.3f}"
            + ("" if math.isnan(found.length) else f" ({found.length:.1f})")
            for found in seen.predictions
        ]
        points = _leaping(results, method, seen)
        said.append(
            f"{LABELS.get(method, method)} from {seen.progress * 100:g} % of training, where step {seen.step} has "
            f"{one.accuracy(seen.checkpoint).value:.3f}: {', '.join(each)}"
            + (f"; EffOPD after as many steps {fmean(point.accuracy for point in points):.3f}" if points else "")
            + "."
        )
    return " ".join(said)


def _leaping(results: Results, method: str, seen: Observed) -> tuple[Checkpoint, ...]:
    """EffOPD's checkpoints after as many steps of the same training; nothing for reinforcement learning."""
    return at_step(results, "effopd", seen.step) if method == "opd" else ()


def _measured(accuracy: Interval, gap: Interval | None) -> Row:
    return {
        "accuracy": accuracy.value,
        "low": accuracy.low,
        "high": accuracy.high,
        "smallest": accuracy.smallest,
        "largest": accuracy.largest,
        "gap": None if gap is None else gap.value,
        "gap_low": None if gap is None else gap.low,
        "gap_high": None if gap is None else gap.high,
    }


def signed(found: Interval) -> str:
    return f"{found.value:+.3f}, interval {found.low:+.3f} to {found.high:+.3f}"
