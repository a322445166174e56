"""Figures of weight space: the runs' paths, where in the network they move, and the spectra of their updates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

import altair as alt

from effopd.report.figures import GREY, LABELS, Choice, Figure, Row, Slider, colours, data, label, layered
from effopd.report.results import Results, Run, Spectrum

FRAMES = 16  # of the map over training, at most
POSITIONS = 48  # at which a spectrum is drawn
MEASURES = {"absolute": "update_norm", "relative to the base": "relative_update_norm"}
KINDS = {"MLP": "mlp", "attention": "attention"}


def analysed(results: Results) -> list[str]:
    """The methods whose updates were decomposed."""
    return [method for method in results.methods if any(run.spectral is not None for run in results.of(method))]


def paths(results: Results) -> Figure | None:
    """The checkpoints of all runs on the first two principal components, to be played step by step."""
    if results.paths is None:
        return None
    runs = {run.name: run for run in results.runs}
    rows: list[Row] = [
        {
            "run": point.run,
            "method": label(runs[point.run]),
            "step": point.step,
            "x": point.x,
            "y": point.y,
            "update_norm": point.update_norm,
            "accuracy": next((c.accuracy for c in runs[point.run].curve if c.step == point.step), None),
        }
        for point in results.paths.points
        if point.run in runs
    ]
    steps = sorted({row["step"] for row in rows})
    lengths = []
    shown = [method for method in results.methods if any(runs[row["run"]].method == method for row in rows)]
    for method in shown:
        lines = [[row for row in rows if row["run"] == run.name] for run in results.of(method)]
        away = median(max(line, key=lambda row: row["step"])["update_norm"] for line in lines)
        walked = median(_walked(line) for line in lines)
        lengths.append(
            f"{LABELS.get(method, method)} ends {away:.3g} from the base; in the plane it walked {walked:.3g}"
        )
    share = sum(results.paths.explained) * 100
    colour = colours(results, shown)
    flat = alt.Axis(grid=False)
    x = alt.X("x:Q", title="first principal component", scale=alt.Scale(domain=_extent(rows, "x")), axis=flat)
    y = alt.Y("y:Q", title="second principal component", scale=alt.Scale(domain=_extent(rows, "y")), axis=flat)
    walked_so_far = alt.Chart(data(rows)).transform_filter("datum.step <= step")
    here = walked_so_far.transform_joinaggregate(last="max(step)", groupby=["run"]).transform_filter(
        "datum.step == datum.last"
    )
    start = alt.Chart(data([{**rows[0], "name": "base"}])) if rows else alt.Chart(data([]))
    return Figure(
        name="paths",
        title="The way through weight space",
        caption=f"All checkpoints in the plane that holds most of their spread ({share:.0f} % of the variance of "
        f"{len(rows)} checkpoints with {results.paths.parameters:,} parameters each). {'; '.join(lengths)}. A point's "
        "size is its accuracy, a line is a replicate; what the plane does not hold is not seen.",
        description="Paths of the runs in the plane of the first two principal components of all checkpoints.",
        chart=layered(
            walked_so_far.mark_line(strokeWidth=1.8, opacity=0.75).encode(
                x=x, y=y, color=colour, detail="run:N", order="step:Q"
            ),
            walked_so_far.mark_circle(opacity=0.8).encode(
                x=x,
                y=y,
                color=colour,
                size=alt.Size("accuracy:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[8, 110])),
                tooltip=["run:N", "step:Q", "accuracy:Q", "update_norm:Q"],
            ),
            here.mark_point(size=220, strokeWidth=2.5, filled=False).encode(x=x, y=y, color=colour),
            start.mark_text(dx=-8, dy=-10, color=GREY, align="right").encode(x=x, y=y, text="name:N"),
        ),
        rows=rows,
        wide=True,
        controls=[Slider("step", "Step", steps, [str(step) for step in steps])],
    )


def _walked(rows: Sequence[Row]) -> float:
    """Length of a path in the plane, from checkpoint to checkpoint."""
    line = sorted(rows, key=lambda row: row["step"])
    return sum(float(((a["x"] - b["x"]) ** 2 + (a["y"] - b["y"]) ** 2) ** 0.5) for a, b in pairwise(line))


def _extent(rows: Sequence[Row], field: str) -> list[float]:
    low, high = min(row[field] for row in rows), max(row[field] for row in rows)
    return [low - 0.08 * (high - low), high + 0.08 * (high - low)]


def layer_norms(results: Results) -> Figure:
    """‖ΔW‖_F of the final update by layer."""
    names = {value: key for key, value in KINDS.items()}
    rows: list[Row] = []
    for method in analysed(results):
        groups: dict[tuple[int, str], list[tuple[float, float | None]]] = {}
        for run in results.of(method):
            for layer in run.spectral.layers if run.spectral else ():
                groups.setdefault((layer.layer, layer.kind), []).append((layer.update_norm, layer.relative_update_norm))
        for (number, kind), found in sorted(groups.items()):
            relative = [value for _, value in found if value is not None]
            rows.append({
                "method": LABELS.get(method, method),
                "layer": number,
                "modules": names.get(kind, kind),
                "update_norm": median(value for value, _ in found),
                "relative_update_norm": median(relative) if relative else None,
            })  # fmt: skip
    order = list(dict.fromkeys(row["method"] for row in rows))
    said = []
    for method in order:
        mine = [row for row in rows if row["method"] == method and row["modules"] == "MLP"]
        if mine:
            most, least = (pick(mine, key=lambda row: row["update_norm"]) for pick in (max, min))
            said.append(
                f"{method} from {least['update_norm']:.3g} (layer {least['layer']}) to {most['update_norm']:.3g} "
                f"(layer {most['layer']})"
            )
    chart = (
        alt.Chart(data(rows))
        .transform_filter("(method == 'all' || datum.method == method) && datum.modules == modules")
        .transform_calculate(norm="measure == 'absolute' ? datum.update_norm : datum.relative_update_norm")
    )
    return Figure(
        name="norms",
        title="Where the update is: its norm by layer",
        caption=f"Norm of the final update of the MLPs, smallest to largest layer: {'; '.join(said)}. "
        "Medians over replicates.",
        description="Bar chart of the norm of the final update in each layer, one bar for each method.",
        chart=layered(
            chart.mark_bar().encode(
                x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
                xOffset=alt.XOffset("method:N", sort=order),
                y=alt.Y("norm:Q", title="‖ΔW‖, Frobenius"),
                color=colours(results, analysed(results)),
                tooltip=["method:N", "layer:O", "modules:N", "update_norm:Q", "relative_update_norm:Q"],
            )
        ),
        rows=rows,
        controls=[
            Choice("method", "Run", ["all", *order]),
            Choice("modules", "Modules", list(KINDS)),
            Choice("measure", "Norm", list(MEASURES)),
        ],
    )


def norm_map(results: Results) -> Figure:
    """‖ΔW‖_F of every kind of weight matrix in every layer, over training."""
    rows: list[Row] = []
    for method in analysed(results):
        runs = [run for run in results.of(method) if run.spectral is not None]
        steps = _frames(runs)
        for number, step in enumerate(steps):
            groups: dict[tuple[int, str], list[tuple[float, float | None]]] = {}
            for run in runs:
                for one in run.spectral.matrices if run.spectral else ():
                    if one.step == step:
                        groups.setdefault((one.layer, one.part), []).append((one.update_norm, one.relative_update_norm))
            rows += [
                {
                    "method": LABELS.get(method, method),
                    "step": step,
                    "until": steps[number + 1] if number + 1 < len(steps) else None,
                    "layer": layer,
                    "part": part.removesuffix("_proj"),
                    "update_norm": median(value for value, _ in found),
                    "relative_update_norm": median(value or 0.0 for _, value in found),
                }
                for (layer, part), found in groups.items()
            ]
    steps = sorted({row["step"] for row in rows})
    methods = list(dict.fromkeys(row["method"] for row in rows))
    said = []
    for method in methods:
        final = [row for row in rows if row["method"] == method and row["until"] is None]
        most = max(final, key=lambda row: row["relative_update_norm"])
        said.append(f"{method} {most['part']} of layer {most['layer']} ({most['relative_update_norm'] * 100:.3g} %)")
    bar = alt.Legend(orient="bottom", gradientLength=160)
    chart = (
        alt.Chart(data(rows))
        .transform_filter("datum.method == method && datum.step <= step && (datum.until == null || step < datum.until)")
        .transform_calculate(norm="measure == 'absolute' ? datum.update_norm : datum.relative_update_norm")
    )
    return Figure(
        name="norm_map",
        title="Layer by module, over training",
        caption=f"Norm of each weight matrix's update. Furthest from the base, relative to it, at the end: "
        f"{'; '.join(said)}. A run that has ended stays as it is.",
        description="Heat map of the norm of each weight matrix's update, by layer and projection, at one step.",
        chart=layered(
            chart.mark_rect().encode(
                x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
                y=alt.Y("part:N", title=None, sort=list(dict.fromkeys(row["part"] for row in rows))),
                color=alt.Color("norm:Q", title=None, scale=alt.Scale(scheme="viridis", zero=True), legend=bar),
                tooltip=["method:N", "step:Q", "layer:O", "part:N", "update_norm:Q", "relative_update_norm:Q"],
            )
        ),
        rows=rows,
        controls=[
            Choice("method", "Run", list(reversed(methods))),
            Choice("measure", "Norm", list(MEASURES)),
            Slider("step", "Step", steps, [str(step) for step in steps]),
        ],
    )  # fmt: skip


def _frames(runs: Sequence[Run]) -> list[int]:
    """At most FRAMES of the analysed steps, the last one among them."""
    steps = sorted({one.step for run in runs if run.spectral for one in run.spectral.matrices})
    stride = 1 + (len(steps) - 1) // FRAMES
    return steps[::-1][::stride][::-1]


def spectra(results: Results) -> Figure:
    """σ_j / σ_1 over the share of the rank, averaged over weight matrices."""
    rows: list[Row] = []
    said = []
    for method in analysed(results):
        found = [one for run in results.of(method) if run.spectral for one in run.spectral.spectra if _moved(one)]
        for name, kind in KINDS.items():
            mine = [one for one in found if one.kind == kind]
            for i in range(POSITIONS if mine else 0):
                at = i / (POSITIONS - 1)
                values = [_interpolated(one.singular_values, at) for one in mine]
                rows.append(
                    {"method": LABELS.get(method, method), "modules": name, "rank": at, "relative_value": fmean(values)}
                )
        if found:
            half = fmean(_interpolated(one.singular_values, 0.1) for one in found)
            said.append(f"{LABELS.get(method, method)} {half:.3f}")
    return Figure(
        name="spectra",
        title="Singular values of the final update",
        caption=f"A tenth of the way down the rank they have fallen, relative to the largest, to: {'; '.join(said)}. "
        "Averages over weight matrices and replicates.",
        description="Line chart of relative singular values against the share of the rank, one line for each method.",
        chart=layered(
            alt.Chart(data(rows))
            .transform_filter("datum.modules == modules && datum.relative_value > 0")
            .mark_line(strokeWidth=2)
            .encode(
                x=alt.X("rank:Q", title="position, share of the rank", axis=alt.Axis(format="%", grid=False)),
                y=alt.Y("relative_value:Q", title="σ / largest σ", scale=alt.Scale(type="log")),
                color=colours(results, analysed(results)),
                tooltip=["method:N", "rank:Q", "relative_value:Q"],
            )
        ),
        rows=rows,
        controls=[Choice("modules", "Modules", list(KINDS))],
    )


def _moved(one: Spectrum) -> bool:
    return bool(one.singular_values) and one.singular_values[0] > 0


def _interpolated(values: Sequence[float], at: float) -> float:
    """σ/σ_1 at a share of the rank, linear between neighbours."""
    place = at * (len(values) - 1)
    left = int(place)
    right = min(left + 1, len(values) - 1)
    return (values[left] + (values[right] - values[left]) * (place - left)) / values[0]
