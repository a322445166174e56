"""EffOPD's triggers, replayed candidate by candidate."""

from __future__ import annotations

import altair as alt

from effopd.report.figures import GREY, PALETTE, Choice, Figure, Row, Slider, data, layered, legend
from effopd.report.results import Results, Run

OUTCOMES = {
    "trained weights": (PALETTE["opd"], "circle"),
    "passed": ("#cc79a7", "circle"),
    "kept": (PALETTE["effopd"], "diamond"),
    "failed": (PALETTE["rl"], "cross"),
}
"""What becomes of a candidate: its colour and shape. One that passes is kept unless a later one passes too."""


def leaps(results: Results) -> Figure | None:
    """Every validation score in the order in which it was measured, one replicate at a time; None without triggers."""
    runs = [run for run in results.runs if run.triggers]
    if not runs:
        return None
    rows = [row for run in runs for row in _events(run)]
    last = max(row["event"] for row in rows)
    said = []
    for run in runs:
        jumps = [trigger for trigger in run.triggers if trigger.accepted]
        gained = [next(c.score for c in t.candidates if c.k == t.accepted) or 0.0 for t in jumps]
        total = sum(after - trigger.score for trigger, after in zip(jumps, gained, strict=True))
        tried = sum(len(trigger.candidates) for trigger in run.triggers)
        said.append(
            f"{_name(run)} leaps at {len(jumps)} of {len(run.triggers)} triggers after {tried} candidates; "
            f"its leaps add up to {total:+.2f} in validation accuracy"
        )
    names = [_name(run) for run in runs]
    chart = alt.Chart(data([row for row in rows if row["score"] is not None])).transform_filter("datum.replay == run")
    seen = chart.transform_filter("datum.event <= shown")
    latest = alt.Chart(data(rows)).transform_filter("datum.replay == run && datum.event <= shown")
    now = latest.transform_joinaggregate(last="max(event)").transform_filter("datum.event == datum.last")
    x = alt.X("trigger:O", title="trigger at step; candidates by multiplier", axis=alt.Axis(labelAngle=0))
    offset = alt.XOffset("multiplier:O", scale=alt.Scale(domain=sorted({row["multiplier"] for row in rows})))
    scores = [row["score"] for row in rows if row["score"] is not None]
    low, high = min(scores), max(scores)
    pad = 0.08 * (high - low or 1.0)
    y = alt.Y("score:Q", title="validation accuracy", scale=alt.Scale(domain=[low - pad, high + 2 * pad], nice=False))
    colour = alt.Color(
        "outcome:N",
        title=None,
        scale=alt.Scale(domain=list(OUTCOMES), range=[colour for colour, _ in OUTCOMES.values()]),
        legend=legend(2),
    )
    shape = alt.Shape(
        "outcome:N",
        title=None,
        scale=alt.Scale(domain=list(OUTCOMES), range=[shape for _, shape in OUTCOMES.values()]),
        legend=legend(2),
    )
    return Figure(
        name="candidates",
        title="Every candidate, in order",
        caption=f"{'; '.join(said)}. The first point of a trigger is the trained weights, to its right the candidates.",
        description="Validation score of each candidate by trigger and multiplier, revealed one after another.",
        chart=layered(
            chart.mark_point(opacity=0.12, color=GREY, size=40).encode(x=x, xOffset=offset, y=y),
            seen.mark_point(filled=True, opacity=1).encode(
                x=x,
                xOffset=offset,
                y=y,
                color=colour,
                shape=shape,
                size=alt.condition("datum.outcome == 'kept'", alt.value(150), alt.value(60)),
                tooltip=["trigger:O", "multiplier:Q", "score:Q", "outcome:N"],
            ),
            now.mark_point(size=320, strokeWidth=2, color=GREY).encode(x=x, xOffset=offset, y=y),
            now.mark_text(align="left", dx=6, dy=6).encode(x=alt.value(0), y=alt.value(0), text="story:N"),
        ),
        rows=rows,
        wide=True,
        controls=[
            Choice("run", "Run", names),
            Slider("shown", "Score", list(range(last + 1)), [f"{n + 1} of {last + 1}" for n in range(last + 1)]),
        ],
    )


def _name(run: Run) -> str:
    return f"Replicate {run.replicate}" if run.replicate is not None else run.name


def _events(run: Run) -> list[Row]:
    """One row for each score, with what happened in words."""
    rows: list[Row] = []

    def add(trigger: int, multiplier: float, score: float | None, outcome: str, story: str) -> None:
        rows.append({
            "run": run.name, "replay": _name(run), "event": len(rows), "trigger": trigger, "multiplier": multiplier,
            "score": score, "outcome": outcome, "story": story,
        })  # fmt: skip

    for trigger in run.triggers:
        at = f"step {trigger.step}"
        add(trigger.step, 0.0, trigger.score, "trained weights", f"{at}: the trained weights score {trigger.score:.3f}")
        for one in trigger.candidates:
            outcome = "kept" if one.k == trigger.accepted else "passed" if one.k < trigger.accepted else "failed"
            scored = "is not finite" if one.score is None else f"scores {one.score:.3f}"
            ends = {"kept": "kept", "passed": "try further", "failed": "stop"}[outcome]
            add(trigger.step, one.multiplier, one.score, outcome, f"{at}: W + {one.multiplier:g} Δ {scored}: {ends}")
    return rows
