"""Figures of weight updates: alignment along training, norm by layer. And the table beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import altair as alt

from effopd.report.estimates import Measure, alignment_at, measured, middle
from effopd.report.figures import GREY, LABELS, Figure, Row, colours, data, label, layered
from effopd.report.results import Results, Spectral

PAPER_ALIGNMENT = {"progress": 0.1, "alignment": 0.72}
"""OPD at 10 % of training (arXiv 2605.11739)."""
PAPER_MODELS = ("1.5B", "4B", "8B", "14B")


@dataclass(frozen=True)
class TableRow:
    """ours: a cell for each method; paper: RL / OPD for each of PAPER_MODELS."""

    name: str
    ours: tuple[str, ...]
    paper: tuple[str, ...]


def alignment(results: Results) -> list[Figure]:
    """By singular vectors, the paper's measure, and by subspaces, which swaps of near-equal values do not lower."""
    return [
        _alignment(
            results, "alignment", "top_k_cosine", "Alignment with the final update", "mean |cos| of singular vectors"
        ),
        _alignment(
            results,
            "alignment_subspace",
            "principal_angle",
            "Alignment of subspaces",
            "mean cosine of principal angles",
        ),
    ]


def _alignment(results: Results, name: str, measure: Measure, title: str, unit: str) -> Figure:
    rows = [
        {"run": run.name, "method": label(run), "progress": row.progress, "alignment": value}
        for run in results.runs
        if run.spectral is not None
        for row in run.spectral.alignment
        if (value := getattr(row, measure)) is not None
    ]
    groups: dict[tuple[str, float], list[float]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["progress"]), []).append(row["alignment"])
    medians: list[Row] = [
        {"method": m, "progress": p, "alignment": median(values)} for (m, p), values in groups.items()
    ]
    x = alt.X(
        "progress:Q",
        title="share of training",
        axis=alt.Axis(format="%", grid=False, values=[0, 0.25, 0.5, 0.75, 1]),
        scale=alt.Scale(domain=[0, 1]),
    )
    y = alt.Y("alignment:Q", title=unit, scale=alt.Scale(domain=[0, 1]))
    thin = alt.Chart(data(rows)).encode(x=x, y=y, color=colours(results, _analysed(results)))
    layers: list[alt.Chart] = [
        thin.mark_line(strokeWidth=1, opacity=0.5).encode(detail="run:N"),
        alt.Chart(data(medians))
        .mark_line(strokeWidth=2.5)
        .encode(x=x, y=y, color=colours(results, _analysed(results))),
        thin.mark_circle(size=24).encode(tooltip=["run:N", "progress:Q", "alignment:Q"]),
    ]
    said = []
    for method in _analysed(results):
        early = [
            (at, middle(measured(results.of(method), lambda s, at=at: alignment_at(s, at, measure))))  # type: ignore[misc]
            for at in (0.1, 0.2, 0.5)
        ]
        found = [f"{value:.2f} at {at * 100:g} %" for at, value in early if value is not None]
        said.append(f"{LABELS.get(method, method)} {', '.join(found) if found else 'has no checkpoint that early'}")
    paper = ""
    if measure == "top_k_cosine":
        mark = alt.Chart(data([{**PAPER_ALIGNMENT, "name": "paper, OPD"}])).encode(x=x, y=y)
        layers.append(mark.mark_point(shape="diamond", size=90, color=GREY, strokeWidth=2))
        layers.append(mark.mark_text(align="left", dx=8, dy=14, color=GREY).encode(text="name:N"))
        paper = " The grey diamond is the paper's: OPD 0.72 at 10 %, which its RL reaches at 60–70 %."
    return Figure(
        name=name,
        title=title,
        caption=f"Medians over replicates: {'; '.join(said)} of training.{paper}",
        description=f"Line chart of {unit}, each checkpoint's update against the final one, over training.",
        chart=layered(*layers),
        rows=rows,
    )


def layer_norms(results: Results) -> list[Figure]:
    """‖ΔW‖_F of the final update by layer, attention and MLP apart."""
    return [
        _layer_norms(results, "norms_attention", "attention", "Update norm by layer: attention"),
        _layer_norms(results, "norms_mlp", "mlp", "Update norm by layer: MLP"),
    ]


def _layer_norms(results: Results, name: str, kind: str, title: str) -> Figure:
    rows: list[Row] = [
        {
            "run": run.name,
            "method": label(run),
            "layer": layer.layer,
            "update_norm": layer.update_norm,
            "relative_update_norm": layer.relative_update_norm,
        }
        for run in results.runs
        if run.spectral is not None
        for layer in run.spectral.layers
        if layer.kind == kind
    ]
    groups: dict[tuple[str, int], list[float]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["layer"]), []).append(row["update_norm"])
    bars: list[Row] = [{"method": m, "layer": n, "update_norm": median(values)} for (m, n), values in groups.items()]
    order = [LABELS.get(method, method) for method in _analysed(results)]
    said = []
    for method in order:
        mine = [row for row in bars if row["method"] == method]
        if mine:
            most = max(mine, key=lambda row: row["update_norm"])
            least = min(mine, key=lambda row: row["update_norm"])
            said.append(
                f"{method} {least['update_norm']:.3g} (layer {least['layer']}) to {most['update_norm']:.3g} "
                f"(layer {most['layer']})"
            )
    chart = alt.Chart(data(bars)).mark_bar()
    return Figure(
        name=name,
        title=title,
        caption=f"Norm of the final update, smallest to largest layer: {'; '.join(said)}. Medians over replicates.",
        description=f"Bar chart of the norm of the {kind} weights' update in each layer, one bar for each method.",
        chart=layered(
            chart.encode(
                x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
                xOffset=alt.XOffset("method:N", sort=order),
                y=alt.Y("update_norm:Q", title="‖ΔW‖, Frobenius"),
                color=colours(results, _analysed(results)),
                tooltip=["method:N", "layer:O", "update_norm:Q"],
            )
        ),
        rows=rows,
    )


def spectral_methods(results: Results) -> tuple[str, ...]:
    """Heads of the table's own columns."""
    return tuple(LABELS.get(method, method) for method in _analysed(results))


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
        ("update norm, whole model", lambda s: s.total_update_norm, ".3g", ("–",) * 4),
        ("variance in two components (EVR)", lambda s: s.explained_variance, ".1%", ("–",) * 4),
    )  # fmt: skip
    return tuple(
        TableRow(
            name=name,
            ours=tuple(_cell(measured(results.of(method), value), form) for method in _analysed(results)),
            paper=paper,
        )
        for name, value, form, paper in rows
    )


def _cell(values: Sequence[float], form: str) -> str:
    if not values:
        return "not measured"
    shown = [format(value, form).replace("%", " %") for value in (median(values), min(values), max(values))]
    return shown[0] if len(values) == 1 else f"{shown[0]} ({shown[1].removesuffix(' %')}–{shown[2].removesuffix(' %')})"


def _analysed(results: Results) -> list[str]:
    return [method for method in results.methods if any(run.spectral is not None for run in results.of(method))]
