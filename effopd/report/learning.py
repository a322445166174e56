"""Figures of training: learning curves over three costs, speed-ups, EffOPD's triggers, training logs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

import altair as alt

from effopd.report.convergence import Speedup
from effopd.report.estimates import final_accuracy
from effopd.report.figures import GREY, LABELS, PALETTE, Figure, Row, colours, data, label, layered, legend
from effopd.report.results import LogRow, Results, Run

COSTS = {"step": "optimiser steps", "seconds": "seconds, validation included", "sampled_tokens": "sampled tokens"}
COMPARISONS = {
    "steps": "steps",
    "wall": "wall time",
    "tokens": "sampled tokens",
    "best_lr_steps": "steps at the best rate",
    "best_lr_wall": "wall time at the best rate",
}
MOST_LOG_ROWS = 400  # of one run in a training curve: more than the pixels it is drawn on


def learning_curves(results: Results, speedup: Speedup) -> list[Figure]:
    """Accuracy against steps, seconds and sampled tokens; the last two without runs that were not timed."""
    every = [row for run in results.runs for row in _curve_rows(run)]
    figures = []
    for cost, title in COSTS.items():
        rows = [row for row in every if row[cost] is not None and (cost == "step" or row["step"] > 0)]
        if not rows:
            continue
        name = "learning_curves" if cost == "step" else f"learning_curves_{cost}"
        figures.append(
            Figure(
                name=name,
                title=f"Accuracy against {title.partition(',')[0]}",
                caption=_curve_caption(results, speedup, cost),
                description=f"Line chart of test accuracy against {title}: a line for each run, their median thick.",
                chart=_curve_chart(results, rows, cost, speedup.target),
                rows=rows,
                wide=cost == "step",
            )
        )
    return figures


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


def _curve_chart(results: Results, rows: Sequence[Row], cost: str, target: float | None) -> alt.LayerChart:
    ticks = [0] + [2**n for n in range(24) if 2**n <= max(row[cost] for row in rows)]
    scale, axis = (
        (alt.Scale(type="symlog", constant=1), alt.Axis(values=ticks, format="d", grid=False))
        if cost == "step"
        else (alt.Scale(type="log", nice=False), alt.Axis(grid=False, format="~s", tickCount=6))
    )
    x = alt.X(f"{cost}:Q", title=COSTS[cost], scale=scale, axis=axis)
    y = alt.Y("accuracy:Q", title="accuracy at temperature 1", scale=alt.Scale(domain=[0, 1]))
    colour = colours(results, with_sweep=True)
    tooltip = ["run:N", "step:Q", "seconds:Q", "sampled_tokens:Q", "accuracy:Q", "low:Q", "high:Q"]
    middle = alt.Chart(data(_over_replicates(rows))).encode(x=x, color=colour)
    swept = {label(run) for run in results.sweep}
    repeated = [row for row in rows if row["method"] not in swept]
    return layered(
        middle.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", title="accuracy at temperature 1"), y2="high:Q"),
        alt.Chart(data(repeated)).mark_line(strokeWidth=1, opacity=0.5).encode(x=x, y=y, color=colour, detail="run:N"),
        middle.mark_line(strokeWidth=2.5).encode(y=y, strokeDash=_dashes(results)),
        alt.Chart(data(rows)).mark_circle(size=24, opacity=0.8).encode(x=x, y=y, color=colour, tooltip=tooltip),
        *([_reference(target, "target")] if target is not None else []),
    )


def _dashes(results: Results) -> alt.StrokeDash:
    names = list(dict.fromkeys(label(run) for run in results.runs))
    patterns = [[4, 3], [2, 2], [8, 3], [8, 3, 2, 3], [1, 3], [12, 4]]
    swept = {label(run): patterns[i % len(patterns)] for i, run in enumerate(results.sweep)}
    scale = alt.Scale(domain=names, range=[swept.get(name, [1, 0]) for name in names])
    return alt.StrokeDash("method:N", title=None, scale=scale, legend=legend(columns=2))


def _over_replicates(rows: Sequence[Row]) -> list[Row]:
    """Medians over replicates at each step, and means of the intervals' bounds."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["step"]), []).append(row)
    return [
        {
            "method": method,
            "step": step,
            **{key: median(row[key] for row in group) for key in ("sampled_tokens", "accuracy")},
            "seconds": _median_or_none([row["seconds"] for row in group]),
            **{key: fmean(row[key] for row in group) for key in ("low", "high")},
        }
        for (method, step), group in groups.items()
    ]


def _median_or_none(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return median(present) if present else None


def _reference(value: float, name: str) -> alt.LayerChart:
    """A dashed horizontal line with its name."""
    row = alt.Chart(data([{"value": value, "name": f"{name} {value:.3f}"}])).encode(y="value:Q")
    text = row.mark_text(align="left", dx=4, dy=-6, color=GREY).encode(x=alt.value(0), text="name:N")
    return layered(row.mark_rule(strokeDash=[3, 3], color=GREY), text)


def _curve_caption(results: Results, speedup: Speedup, cost: str) -> str:
    if cost == "step":
        ends = []
        for method in results.methods:
            if found := final_accuracy(results.of(method)):
                last = results.of(method)[0].final.step
                ends.append(
                    f"{LABELS.get(method, method)} ends at {found.mean:.3f} ({found.low:.3f}–{found.high:.3f}) "
                    f"after {last} steps"
                )
        return (
            f"The base starts at {results.base.accuracy:.3f}. {'; '.join(ends)}. Thin lines are replicates, the thick "
            "one their median; bands are confidence intervals over problems; dashed lines are other learning rates."
        )
    name, what = ("wall", "wall time") if cost == "seconds" else ("tokens", "sampled tokens")
    ratio = getattr(speedup, name)
    gain = "was not measured" if ratio is None else f"is {ratio:.2f}"
    spent = [run.validation_seconds for run in results.of("effopd") if run.validation_seconds is not None]
    total = [run.final.seconds for run in results.of("effopd") if run.final.seconds is not None]
    share = f" Validation takes {sum(spent) / sum(total) * 100:.0f} % of EffOPD's time." if spent and sum(total) else ""
    untimed = [run.name for run in results.runs if run.final.seconds is None]
    missing = f" Not timed: {', '.join(untimed)}." if untimed else ""
    return f"The same curves against {what}. EffOPD's median speed-up to the target {gain}." + (
        (share + missing) if cost == "seconds" else ""
    )


def speedups(speedup: Speedup) -> Figure:
    """Bars of the medians, points for replicates; 1 means as fast as OPD."""
    rows = [
        {"comparison": name, "replicate": row.replicate, "speedup": getattr(row, key)}
        for key, name in COMPARISONS.items()
        for row in speedup.replicates
    ]
    medians = [{"comparison": name, "speedup": getattr(speedup, key)} for key, name in COMPARISONS.items()]
    y = alt.Y("comparison:N", title=None, sort=list(COMPARISONS.values()))
    x = alt.X("speedup:Q", title="times faster than OPD", scale=alt.Scale(domainMin=0), axis=alt.Axis(tickCount=6))
    bars = alt.Chart(data([row for row in medians if row["speedup"] is not None])).encode(x=x, y=y)
    points = alt.Chart(data([row for row in rows if row["speedup"] is not None])).encode(x=x, y=y)
    goals = alt.Chart(data([{"speedup": 1}, {"speedup": 3}])).encode(x="speedup:Q")
    said = [
        f"{row['comparison']} {row['speedup']:.2f}"
        if row["speedup"] is not None
        else f"{row['comparison']} not measured"
        for row in medians
    ]
    return Figure(
        name="speedup",
        title="How many times sooner EffOPD arrives",
        caption=f"Medians over replicates: {', '.join(said)}. Points are replicates; dashed lines mark 1 and the "
        "paper's 3. The first three compare with OPD at the same learning rate, the others with the rate that arrives "
        "in the fewest steps.",
        description="Bar chart of median speed-ups in steps, wall time and tokens, against the same and the best rate.",
        chart=layered(
            bars.mark_bar(color=PALETTE["effopd"], opacity=0.75, height={"band": 0.6}),
            points.mark_point(filled=True, size=50, color=GREY).encode(
                tooltip=["comparison:N", "replicate:N", "speedup:Q"]
            ),
            goals.mark_rule(strokeDash=[3, 3], color=GREY),
        ),
        rows=rows,
        wide=True,
    )


def triggers(run: Run) -> Figure:
    """The validation score of every candidate at every trigger of one run."""
    rows: list[Row] = []
    for trigger in run.triggers:
        rows.append({"trigger": trigger.step, "multiplier": 0.0, "score": trigger.score, "outcome": "trained weights"})
        for one in trigger.candidates:
            outcome = "kept" if one.k == trigger.accepted else "passed" if one.k < trigger.accepted else "failed"
            rows.append({"trigger": trigger.step, "multiplier": one.multiplier, "score": one.score, "outcome": outcome})
    leaps = [trigger for trigger in run.triggers if trigger.accepted]
    said = [
        f"step {t.step}: {t.score:.2f} → {next(c.score for c in t.candidates if c.k == t.accepted):.2f} "
        f"by Δ × {next(c.multiplier for c in t.candidates if c.k == t.accepted):g}"
        for t in leaps
    ]
    name = f"Replicate {run.replicate}" if run.replicate is not None else run.name
    colour = alt.Color(
        "outcome:N",
        title=None,
        scale=alt.Scale(
            domain=["trained weights", "passed", "kept", "failed"],
            range=[PALETTE["opd"], "#66c2a5", PALETTE["effopd"], PALETTE["rl"]],
        ),
        legend=legend(columns=2),
    )
    shape = alt.Shape(
        "outcome:N",
        scale=alt.Scale(
            domain=["trained weights", "passed", "kept", "failed"], range=["circle", "circle", "diamond", "cross"]
        ),
        title=None,
        legend=legend(columns=2),
    )
    size = alt.condition("datum.outcome == 'kept'", alt.value(130), alt.value(55))
    multipliers = sorted({row["multiplier"] for row in rows})
    chart = alt.Chart(data([row for row in rows if row["score"] is not None])).mark_point(filled=True, opacity=1)
    return Figure(
        name=f"triggers_{run.name}",
        title=f"{name}: candidates at each trigger",
        caption=f"{name} leaps at {len(leaps)} of {len(run.triggers)} triggers"
        + (f" ({'; '.join(said)})." if said else "."),
        description=f"Validation score of each candidate of {run.name}, by trigger step and multiplier.",
        chart=chart.encode(
            x=alt.X("trigger:O", title="trigger at step; candidates by multiplier", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("multiplier:O", scale=alt.Scale(domain=multipliers)),
            y=alt.Y("score:Q", title="validation accuracy", scale=alt.Scale(zero=False, nice=True)),
            color=colour,
            shape=shape,
            size=size,
            tooltip=["trigger:O", "multiplier:Q", "score:Q", "outcome:N"],
        ),
        rows=rows,
    )


def training_curves(results: Results) -> list[Figure]:
    """Reverse KL, entropy and completion length while training."""
    distilled = [method for method in results.methods if method != "rl"]  # RL's KL is to the base, not to the teacher
    every = list(results.methods)
    return [
        _training_curve(results, distilled, "reverse_kl", "Reverse KL to the teacher", "nats a token", ".4f"),
        _training_curve(results, every, "entropy", "Entropy of the student", "nats a token", ".3f"),
        _training_curve(results, every, "completion_length", "Completion length", "tokens", ".1f"),
    ]


def _training_curve(results: Results, methods: Sequence[str], field: str, title: str, unit: str, form: str) -> Figure:
    rows: list[Row] = []
    said = []
    for method in methods:
        runs = results.of(method)
        for run in runs:
            rows += [
                {"run": run.name, "method": label(run), "step": r.step, field: getattr(r, field)} for r in _thin(run)
            ]
        if runs:
            first, last = (median(getattr(run.log[i], field) for run in runs) for i in (0, -1))
            said.append(f"{LABELS.get(method, method)} from {first:{form}} to {last:{form}}")
    chart = alt.Chart(data(rows)).mark_line(strokeWidth=1.5, opacity=0.85)
    return Figure(
        name=f"training_{field}",
        title=title,
        caption=f"{'; '.join(said)} {unit} between the first and the last step, medians over replicates.",
        description=f"Line chart of {title.lower()} against optimiser steps, one line for each run.",
        chart=chart.encode(
            x=alt.X("step:Q", title="optimiser steps", axis=alt.Axis(grid=False)),
            y=alt.Y(f"{field}:Q", title=unit),
            color=colours(results, methods),
            detail="run:N",
            tooltip=["run:N", "step:Q", f"{field}:Q"],
        ),
        rows=rows,
    )


def _thin(run: Run) -> Sequence[LogRow]:
    return run.log[:: 1 + len(run.log) // MOST_LOG_ROWS]
