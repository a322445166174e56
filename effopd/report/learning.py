"""Figures of training: learning curves over three costs, speed-ups, training logs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

import altair as alt

from effopd.report.convergence import Speedup
from effopd.report.estimates import final_accuracy
from effopd.report.figures import (
    GREY,
    LABELS,
    PALETTE,
    Choice,
    Figure,
    Row,
    colours,
    data,
    label,
    layered,
    legend,
    named_axis,
)
from effopd.report.ratios import each_in_words, in_words
from effopd.report.results import LogRow, Results, Run

COSTS = {"steps": "step", "sampled tokens": "sampled_tokens", "wall time": "seconds"}
AXES = {
    "steps": "optimiser steps",
    "sampled tokens": "sampled tokens, validation included",
    "wall time": "seconds, validation included",
}
SHOWN = ("run", "method", "step", "accuracy", "low", "high")
COMPARISONS = {
    "steps": "steps",
    "wall": "wall time",
    "tokens": "sampled tokens",
    "best_lr_steps": "steps at the best rate",
    "best_lr_wall": "wall time at the best rate",
}
LOGGED = {
    "Reverse KL to the teacher": ("reverse_kl", "nats a token", ".4f"),
    "Entropy of the student": ("entropy", "nats a token", ".3f"),
    "Completion length": ("completion_length", "tokens", ".1f"),
}
"""What is drawn of a training log: its field, unit and format."""
MOST_LOG_ROWS = 400  # of one run in a training curve: more than the pixels it is drawn on


def learning_curves(results: Results, speedup: Speedup) -> Figure:
    """Accuracy against steps, sampled tokens or seconds; a run that was not timed has no curve over seconds."""
    rows = [row for run in results.runs for row in _curve_rows(run)]
    costs = {name: field for name, field in COSTS.items() if any(row[field] for row in rows)}
    shown = [
        {**{key: row[key] for key in SHOWN}, "cost": name, "x": row[field]}
        for name, field in costs.items()
        for row in rows
        if row[field]  # a logarithm has no 0: the base is a line of its own
    ]
    axis = " : ".join([*(f"cost == '{name}' ? '{AXES[name]}'" for name in costs), "''"])
    return Figure(
        name="learning_curves",
        title="Accuracy over training",
        caption=_curve_caption(results, speedup),
        description="Line chart of test accuracy against a cost of training, a line for each run, their median thick.",
        chart=_curve_chart(results, shown, speedup.target).properties(title=named_axis(axis)),
        rows=rows,
        wide=True,
        controls=[Choice("cost", "Against", list(costs))],
    )


def _curve_rows(run: Run) -> list[Row]:
    return [
        {
            "run": run.name,
            "method": label(run),
            "step": point.step,
            "seconds": point.seconds,
            "sampled_tokens": point.sampled_tokens,
            "accuracy": point.accuracy,
            "low": point.low,
            "high": point.high,
        }
        for point in run.curve
    ]


def _curve_chart(results: Results, rows: Sequence[Row], target: float | None) -> alt.LayerChart:
    x = alt.X("x:Q", title=None, scale=alt.Scale(type="log", nice=False), axis=alt.Axis(grid=False, format="~s"))
    y = alt.Y("accuracy:Q", title="accuracy at temperature 1", scale=alt.Scale(domain=[0, 1]))
    colour = colours(results, with_sweep=True)
    middle = alt.Chart(data(_over_replicates(rows))).transform_filter("datum.cost == cost").encode(x=x, color=colour)
    swept = {label(run) for run in results.sweep}
    single = alt.Chart(data([row for row in rows if row["method"] not in swept])).transform_filter("datum.cost == cost")
    points = alt.Chart(data(rows)).transform_filter("datum.cost == cost")
    return layered(
        middle.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", title="accuracy at temperature 1"), y2="high:Q"),
        single.mark_line(strokeWidth=1, opacity=0.5).encode(x=x, y=y, color=colour, detail="run:N"),
        middle.mark_line(strokeWidth=2.5).encode(y=y, strokeDash=_dashes(results)),
        points.mark_circle(size=24, opacity=0.8).encode(
            x=x, y=y, color=colour, tooltip=["run:N", "step:Q", "x:Q", "accuracy:Q", "low:Q", "high:Q"]
        ),
        _reference(results.base.accuracy, "base", below=True),
        *([_reference(target, "target")] if target is not None else []),
    )


def _dashes(results: Results) -> alt.StrokeDash:
    names = list(dict.fromkeys(label(run) for run in results.runs))
    patterns = [[4, 3], [2, 2], [8, 3], [8, 3, 2, 3], [1, 3], [12, 4]]
    swept = {label(run): patterns[i % len(patterns)] for i, run in enumerate(results.sweep)}
    scale = alt.Scale(domain=names, range=[swept.get(name, [1, 0]) for name in names])
    return alt.StrokeDash("method:N", title=None, scale=scale, legend=legend(2, lines=True))


def _over_replicates(rows: Sequence[Row]) -> list[Row]:
    """Medians over replicates at each step, and means of the intervals' bounds."""
    groups: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["cost"], row["method"], row["step"]), []).append(row)
    return [
        {
            "cost": cost,
            "method": method,
            "step": step,
            **{key: median(row[key] for row in group) for key in ("x", "accuracy")},
            **{key: fmean(row[key] for row in group) for key in ("low", "high")},
        }
        for (cost, method, step), group in groups.items()
    ]


def _reference(value: float, name: str, below: bool = False) -> alt.LayerChart:
    """A dashed horizontal line with its name above or below it, where no curve begins."""
    row = alt.Chart(data([{"value": value, "name": f"{name} {value:.3f}"}])).encode(y="value:Q")
    text = row.mark_text(align="left", dx=4, dy=12 if below else -6, color=GREY).encode(x=alt.value(0), text="name:N")
    return layered(row.mark_rule(strokeDash=[3, 3], color=GREY), text)


def _curve_caption(results: Results, speedup: Speedup) -> str:
    ends = []
    for method in results.methods:
        if found := final_accuracy(results.of(method)):
            last = results.of(method)[0].final.step
            ends.append(
                f"{LABELS.get(method, method)} ends at {found.mean:.3f} ({found.low:.3f}–{found.high:.3f}) "
                f"after {last} steps"
            )
    gains = [
        f"{name} {in_words(speedup, field)}"
        for field, name in (("steps", "steps"), ("tokens", "sampled tokens"), ("wall", "wall time"))
    ]
    spent = [run.validation_seconds for run in results.of("effopd") if run.validation_seconds is not None]
    total = [run.final.seconds for run in results.of("effopd") if run.final.seconds is not None]
    share = f" Validation takes {sum(spent) / sum(total) * 100:.0f} % of EffOPD's time." if spent and sum(total) else ""
    untimed = [run.name for run in results.runs if run.final.seconds is None]
    missing = f" Not timed: {', '.join(untimed)}." if untimed else ""
    return (
        f"The base starts at {results.base.accuracy:.3f}. {'; '.join(ends)}. EffOPD's median speed-up to the target: "
        f"{', '.join(gains)}.{share}{missing} Thin lines are replicates, thick ones their median; bands are "
        "intervals over problems; dashed lines are other learning rates."
    )


def speedups(speedup: Speedup) -> Figure:
    """Bars of the medians, points for replicates; 1 means as fast as OPD."""
    rows = [
        {
            "comparison": name,
            "replicate": row.replicate,
            "speedup": getattr(row, key),
            "outcome": "measured" if getattr(row, key) is not None else each_in_words(row, key),
        }
        for key, name in COMPARISONS.items()
        for row in speedup.replicates
    ]
    medians = [{"comparison": name, "speedup": getattr(speedup, key)} for key, name in COMPARISONS.items()]
    y = alt.Y("comparison:N", title=None, sort=list(COMPARISONS.values()))
    x = alt.X("speedup:Q", title="times faster than OPD", scale=alt.Scale(domainMin=0), axis=alt.Axis(tickCount=6))
    bars = alt.Chart(data([row for row in medians if row["speedup"] is not None])).encode(x=x, y=y)
    points = alt.Chart(data([row for row in rows if row["speedup"] is not None])).encode(x=x, y=y)
    goals = alt.Chart(data([{"speedup": 1, "name": "as fast"}, {"speedup": 3, "name": "paper: 3"}])).encode(x=x)
    said = [f"{name} {in_words(speedup, key)}" for key, name in COMPARISONS.items()]
    return Figure(
        name="speedup",
        title="How many times sooner EffOPD arrives",
        caption=f"Medians over replicates: {', '.join(said)}. Ticks are the replicates that arrive; the paper "
        "speaks of 3 on average. The first three compare with OPD at the same learning rate, the others with the rate "
        "that arrives in the fewest steps.",
        description="Bar chart of median speed-ups in steps, wall time and tokens, against the same and the best rate.",
        chart=layered(
            bars.mark_bar(color=PALETTE["effopd"], opacity=0.6, height={"band": 0.6}),
            goals.mark_rule(strokeDash=[3, 3], color=GREY),
            goals.mark_text(dy=-8, color=GREY).encode(y=alt.value(0), text="name:N"),
            points.mark_tick(thickness=3, height={"band": 0.4}).encode(
                tooltip=["comparison:N", "replicate:N", "speedup:Q"]
            ),
        ),
        rows=rows,
        wide=True,
    )


def training_curves(results: Results) -> Figure:
    """Reverse KL, entropy and completion length while training."""
    rows: list[Row] = []
    said = []
    for name, (field, unit, form) in LOGGED.items():
        ends = []
        for method in results.methods:
            runs = results.of(method)
            if field == "reverse_kl" and method == "rl":  # RL's is to the base, not to the teacher
                continue
            for run in runs:
                rows += [
                    {
                        "quantity": name,
                        "run": run.name,
                        "method": label(run),
                        "step": row.step,
                        "value": getattr(row, field),
                    }
                    for row in _thin(run)
                ]
            first, last = (median(getattr(run.log[i], field) for run in runs) for i in (0, -1))
            ends.append(f"{LABELS.get(method, method)} {first:{form}} → {last:{form}}")
        said.append(f"{name} in {unit}: {', '.join(ends)}")
    title = " : ".join([*(f"quantity == '{name}' ? '{name}, {unit}'" for name, (_, unit, _) in LOGGED.items()), "''"])
    return Figure(
        name="training",
        title="While they train",
        caption=f"First and last step, medians over replicates. {'. '.join(said)}.",
        description="Line chart of a quantity that is logged while training against steps, one line for each run.",
        chart=layered(
            alt.Chart(data(rows))
            .transform_filter("datum.quantity == quantity")
            .mark_line(strokeWidth=1.5, opacity=0.85)
            .encode(
                x=alt.X("step:Q", title="optimiser steps", axis=alt.Axis(grid=False)),
                y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
                color=colours(results),
                detail="run:N",
                tooltip=["run:N", "step:Q", "value:Q"],
            )
        ).properties(title=alt.TitleParams(text=alt.ExprRef(title), anchor="start")),
        rows=rows,
        wide=True,
        controls=[Choice("quantity", "Show", list(LOGGED))],
    )


def _thin(run: Run) -> Sequence[LogRow]:
    return run.log[:: 1 + len(run.log) // MOST_LOG_ROWS]
