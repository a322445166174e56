"""How updates compare with the final one along training, and the table of their shapes beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import altair as alt

from effopd.report.estimates import Measure, alignment_at, measured, middle
from effopd.report.figures import GREY, LABELS, PALETTE, Choice, Figure, Row, colours, data, label, layered
from effopd.report.geometry import analysed
from effopd.report.results import Results, Spectral

PAPER_ALIGNMENT = {"progress": 0.1, "alignment": 0.72}
"""OPD at 10 % of training (arXiv 2605.11739)."""
AT_A_RATE: dict[str, tuple[Callable[[Spectral], float | None], str]] = {
    "update norm": (lambda s: s.total_update_norm, ".3g"),
    "effective rank": (lambda s: s.effective_rank, ".1f"),
    "spectral / Frobenius ratio": (lambda s: s.spectral_frobenius_ratio, ".1%"),
    "alignment at 10 % of training": (lambda s: alignment_at(s, 0.1, "top_k_cosine"), ".2f"),
}
PAPER_MODELS = ("1.5B", "4B", "8B", "14B")


@dataclass(frozen=True)
class TableRow:
    """ours: a cell for each method; paper: RL / OPD for each of PAPER_MODELS."""

    name: str
    ours: tuple[str, ...]
    paper: tuple[str, ...]


MEASURES: dict[str, Measure] = {"singular vectors, one by one": "top_k_cosine", "their subspaces": "principal_angle"}
"""The paper's measure, and one that swaps of near-equal singular values do not lower."""


def alignment(results: Results) -> Figure:
    """The update at each checkpoint against the final one."""
    rows = [
        {
            "run": run.name,
            "method": label(run),
            "measure": name,
            "progress": row.progress,
            "step": row.step,
            "alignment": value,
        }
        for run in results.runs
        if run.spectral is not None and run.rate is None
        for row in run.spectral.alignment
        for name, measure in MEASURES.items()
        if (value := getattr(row, measure)) is not None
    ]
    groups: dict[tuple[str, str, float], list[float]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["measure"], row["progress"]), []).append(row["alignment"])
    medians: list[Row] = [
        {"method": m, "measure": name, "progress": p, "alignment": median(values)}
        for (m, name, p), values in groups.items()
    ]
    x = alt.X(
        "progress:Q",
        title="share of training",
        axis=alt.Axis(format="%", grid=False, values=[0, 0.25, 0.5, 0.75, 1]),
        scale=alt.Scale(domain=[0, 1]),
    )
    y = alt.Y("alignment:Q", title="mean cosine", scale=alt.Scale(domain=[0, 1]))
    colour = colours(results, analysed(results))
    thin = alt.Chart(data(rows)).transform_filter("datum.measure == measure").encode(x=x, y=y, color=colour)
    thick = alt.Chart(data(medians)).transform_filter("datum.measure == measure")
    paper = {**PAPER_ALIGNMENT, "name": "paper, OPD", "measure": next(iter(MEASURES))}
    mark = alt.Chart(data([paper])).transform_filter("datum.measure == measure").encode(x=x, y=y)
    said = []
    for method in analysed(results):
        early = [(at, middle(_at(results, method, at))) for at in (0.1, 0.2, 0.5)]
        found = [f"{value:.2f} at {at * 100:g} %" for at, value in early if value is not None]
        said.append(f"{LABELS.get(method, method)} {', '.join(found) if found else 'has no checkpoint that early'}")
    return Figure(
        name="alignment",
        title="Alignment with the final update",
        caption=f"Leading singular vectors of the update at each checkpoint, compared with the last one's. Medians "
        f"over replicates, vector by vector: {'; '.join(said)} of training. The grey diamond is the paper's: OPD 0.72 "
        "at 10 %, which its RL reaches at 60–70 %.",
        description="Line chart of the alignment of each checkpoint's update with the final one, over training.",
        chart=layered(
            thin.mark_line(strokeWidth=1, opacity=0.5).encode(detail="run:N"),
            thick.mark_line(strokeWidth=2.5).encode(x=x, y=y, color=colour),
            thin.mark_circle(size=28, opacity=0.9).encode(tooltip=["run:N", "step:Q", "progress:Q", "alignment:Q"]),
            mark.mark_point(shape="diamond", size=90, color=GREY, strokeWidth=2),
            mark.mark_text(align="left", dx=8, dy=14, color=GREY).encode(text="name:N"),
        ),
        rows=rows,
        wide=True,
        controls=[Choice("measure", "Compared", list(MEASURES))],
    )


def _at(results: Results, method: str, progress: float) -> list[float]:
    return measured(results.of(method), lambda spectral: alignment_at(spectral, progress, "top_k_cosine"))


def rates(results: Results) -> Figure | None:
    """What the learning rate does to the final update; None where a single rate was tried."""
    swept = {run.method for run in results.sweep if run.spectral is not None}
    rows: list[Row] = [
        {"run": run.name, "learning_rate": run.learning_rate, "quantity": name, "value": value}
        for run in results.runs
        if run.method in swept and run.spectral is not None
        for name, (quantity, _) in AT_A_RATE.items()
        if (value := quantity(run.spectral)) is not None
    ]
    found: dict[tuple[str, float], list[float]] = {}
    for row in rows:
        found.setdefault((row["quantity"], row["learning_rate"]), []).append(row["value"])
    if not found:
        return None
    medians: list[Row] = [
        {"quantity": name, "learning_rate": rate, "value": median(values)}
        for (name, rate), values in sorted(found.items())
    ]
    said = []
    for name, (_, form) in AT_A_RATE.items():
        ends = [row for row in medians if row["quantity"] == name]
        if ends:
            first, last = (format(row["value"], form).replace("%", " %") for row in (ends[0], ends[-1]))
            said.append(f"{name} {first} → {last}")
    lowest, highest = min(rate for _, rate in found), max(rate for _, rate in found)
    x = alt.X(
        "learning_rate:Q",
        title="learning rate",
        scale=alt.Scale(type="log", domain=[lowest / 1.2, highest * 1.2], nice=False),
        axis=alt.Axis(format="~e", grid=False, values=sorted({rate for _, rate in found})),
    )
    y = alt.Y("value:Q", title=None, scale=alt.Scale(zero=False))
    colour = alt.value(PALETTE["opd"])
    line, points = (alt.Chart(data(each)).transform_filter("datum.quantity == quantity") for each in (medians, rows))
    return Figure(
        name="rates",
        title="The update at other learning rates",
        caption=f"OPD's final updates from the lowest rate tried, {lowest:g}, to the highest, {highest:g}: "
        f"{'; '.join(said)}. Points are runs, the line their median; runs of the sweep may be shorter.",
        description="Line chart of a property of the final update against the learning rate.",
        chart=layered(
            line.mark_line(strokeWidth=2.5).encode(x=x, y=y, color=colour),
            points.mark_circle(size=50, opacity=0.9).encode(
                x=x, y=y, color=colour, tooltip=["run:N", "learning_rate:Q", "value:Q"]
            ),
        ),
        rows=rows,
        controls=[Choice("quantity", "Show", [name for name in AT_A_RATE if any(name == key for key, _ in found)])],
    )


def spectral_methods(results: Results) -> tuple[str, ...]:
    """Heads of the table's own columns."""
    return tuple(LABELS.get(method, method) for method in analysed(results))


def spectral_table(results: Results) -> tuple[TableRow, ...]:
    """Medians over replicates with their range, beside the paper's Table 1 and embedding cosines (RL / OPD)."""
    rows: tuple[tuple[str, Callable[[Spectral], float | None], str, tuple[str, ...]], ...] = (
        ("spectral norm", lambda s: s.spectral_norm, ".3g",
         (".094 / .113", ".007 / .009", ".004 / .005", ".056 / .063")),
        ("spectral / Frobenius ratio", lambda s: s.spectral_frobenius_ratio, ".1%",
         ("33.2 / 39.6 %", "19.7 / 25.7 %", "32.7 / 36.8 %", "24.4 / 28.1 %")),
        ("effective rank", lambda s: s.effective_rank, ".1f",
         ("964 / 778", "1908 / 1587", "2754 / 2341", "3174 / 2937")),
        ("top-1 % norm ratio", lambda s: s.top1_norm_ratio, ".1%",
         ("78.1 / 92.3 %", "79.2 / 93.4 %", "88.5 / 94.7 %", "81.2 / 94.5 %")),
        ("embedding cosine to base", lambda s: s.embedding_cosine, ".4f",
         (".9156 / .9412", ".9672 / .9851", ".9421 / .9752", ".8961 / .9512")),
        ("update norm, attention and MLP", lambda s: s.total_update_norm, ".3g", ("–",) * 4),
        ("path of u₁ in two components (EVR)", lambda s: s.explained_variance, ".1%", ("–",) * 4),
    )  # fmt: skip
    return tuple(
        TableRow(
            name=name,
            ours=tuple(_cell(measured(results.of(method), value), form) for method in analysed(results)),
            paper=paper,
        )
        for name, value, form, paper in rows
    )


def _cell(values: Sequence[float], form: str) -> str:
    if not values:
        return "not measured"
    shown = [format(value, form).replace("%", " %") for value in (median(values), min(values), max(values))]
    return shown[0] if len(values) == 1 else f"{shown[0]} ({shown[1].removesuffix(' %')}–{shown[2].removesuffix(' %')})"
