"""Figures of interventions: how accuracy depends on an update's length, its parts and its rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from effopd.report.figures import GREY, LABELS, Choice, Figure, Row, colours, data, layered, legend, named_axis
from effopd.report.interventions import Apart, Interval, Intervened, defined, norm_matched, share_in_words
from effopd.report.results import Results

Parts = Mapping[str, Apart]
"""The methods that were taken apart, by name, in the order of the results."""

KINDS = {"mlp": "MLP", "attention": "attention"}
KIND_COLOURS = alt.Scale(domain=list(KINDS.values()), range=["#8c6bb1", "#b8860b"])
ACCURACY = alt.Scale(domain=[0, 1])
NORM_SHARES = (0.25, 0.5, 1.0)
"""At which shares of the shortest update's length methods are compared."""


def parts(results: Results, confidence: float, resamples: int, seed: int) -> dict[str, Apart]:
    """The methods whose replicates were all taken apart."""
    found = {}
    for method in results.methods:
        runs = results.of(method)
        if runs and all(run.interventions for run in runs):
            found[method] = Apart(tuple(run.interventions for run in runs), confidence, resamples, seed)
    return found


def common_norms(apart: Parts) -> list[float]:
    """The distances from the base at which all methods are compared."""
    shortest = min(one.reach for one in apart.values())
    return [share * shortest for share in NORM_SHARES]


def mechanism(results: Results, apart: Parts) -> dict[str, Figure]:
    """All figures by name; none when nothing was taken apart."""
    if not apart:
        return {}
    drawn = [
        _alpha(results, apart),
        _windows(apart),
        _modules(results, apart),
        _rescaling(apart),
        _beta(results, apart),
        _truncation(results, apart),
    ]
    return {figure.name: figure for figure in drawn if figure.rows}


def _row(one: Apart, method: str, row: Intervened, **more: object) -> Row:
    found = one.accuracy(row)
    return {
        "method": LABELS.get(method, method),
        **more,
        "update_norm": one.update_norm(row),
        "accuracy": found.value,
        "low": found.low,
        "high": found.high,
        "smallest": found.smallest,
        "largest": found.largest,
    }


def _alpha(results: Results, apart: Parts) -> Figure:
    rows: list[Row] = []
    for method, one in apart.items():
        for row in sorted(one.rows("alpha"), key=lambda row: row.alpha or 0):
            rows.append(_row(one, method, row, alpha=row.alpha))
    said = []
    if {"rl", "opd"} <= apart.keys():
        for share, norm in zip(NORM_SHARES, common_norms(apart), strict=True):
            gap = norm_matched(apart["opd"], apart["rl"], norm)
            said.append(f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}) at {share * 100:g} %")
    densities = {LABELS.get(method, method): one.gain_per_length() for method, one in apart.items()}
    dense = [f"{name} {d.value:.3f} ({d.low:.3f}–{d.high:.3f})" for name, d in densities.items() if d.value == d.value]
    axis = {"length of the update": "update_norm", "α": "alpha"}
    chart = alt.Chart(data(rows)).transform_calculate(x=f"axis == 'α' ? datum.{axis['α']} : datum.update_norm")
    x = alt.X("x:Q", title=None, axis=alt.Axis(grid=False))
    colour = colours(results, list(apart))
    return Figure(
        name="alpha",
        title="Accuracy along the update: W_base + α ΔW",
        caption="The trained update, shortened. "
        + (
            "At equal length, OPD's accuracy minus RL's is "
            + ", ".join(said)
            + f" of the shorter update's length ({common_norms(apart)[-1]:.3g}), linear between the α measured. "
            if said
            else ""
        )
        + (f"Accuracy gained per unit of ‖ΔW‖, at full length: {', '.join(dense)}. " if dense else "")
        + "Bands are intervals over problems, replicates averaged.",
        description="Line chart of accuracy against the length of the shortened update, one line for each method.",
        chart=layered(
            chart.mark_area(opacity=0.15).encode(
                x=x, y=alt.Y("low:Q", title="accuracy", scale=ACCURACY), y2="high:Q", color=colour
            ),
            chart.mark_line(strokeWidth=2.5).encode(x=x, y=alt.Y("accuracy:Q", scale=ACCURACY), color=colour),
            chart.mark_circle(size=50, opacity=1).encode(
                x=x,
                y=alt.Y("accuracy:Q", scale=ACCURACY),
                color=colour,
                tooltip=["method:N", "alpha:Q", "update_norm:Q", "accuracy:Q", "low:Q", "high:Q"],
            ),
        ).properties(title=named_axis("axis == 'α' ? 'α, share of the update' : '‖α ΔW‖, distance from the base'")),
        rows=rows,
        controls=[Choice("axis", "Against", list(axis))],
    )


def _windows(apart: Parts) -> Figure:
    rows: list[Row] = []
    said = []
    for method, one in apart.items():
        windows = one.rows("window")
        for row in windows:
            gain = one.difference(row, one.ends[0])
            shown = {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
            rows.append(_row(one, method, row, kind=KINDS[str(row.kind)], layer=row.centre) | shown)
        best = max(windows, key=lambda row: one.accuracy(row).value)
        found = one.gained(best)
        said.append(
            f"{LABELS.get(method, method)}: layer {best.centre}'s {KINDS[str(best.kind)]} gains most, "
            f"{share_in_words(found)} of the whole gain"
        )
    half = next((row.half_width for one in apart.values() for row in one.rows("window")), 0)
    width = "one layer" if half == 0 else f"up to {2 * (half or 0) + 1} layers"
    chart = alt.Chart(data(rows)).transform_filter("datum.method == method")
    x = alt.X("layer:O", title="layer at the window's centre", axis=alt.Axis(labelAngle=0, labelOverlap=True))
    offset = alt.XOffset("kind:N", sort=list(KINDS.values()))
    colour = alt.Color("kind:N", title=None, scale=KIND_COLOURS, legend=legend(2))
    return Figure(
        name="windows",
        title="Sensitivity: one window's update alone",
        caption=f"Only the update of {width} and one kind of module is put on the base. {'; '.join(said)}. "
        "Whiskers are paired intervals over problems.",
        description="Bar chart of the gain in accuracy when one window alone gets its update, by layer and kind.",
        chart=layered(
            chart.mark_bar().encode(
                x=x,
                xOffset=offset,
                y=alt.Y("gain:Q", title="accuracy above the base's"),
                color=colour,
                tooltip=["method:N", "layer:O", "kind:N", "update_norm:Q", "accuracy:Q", "gain_low:Q", "gain_high:Q"],
            ),
            chart.mark_rule(strokeWidth=1.5).encode(x=x, xOffset=offset, y="gain_low:Q", y2="gain_high:Q"),
        ),
        rows=rows,
        wide=True,
        controls=[Choice("method", "Run", [LABELS.get(method, method) for method in reversed(list(apart))])],
    )


def _modules(results: Results, apart: Parts) -> Figure:
    rows: list[Row] = []
    said = []
    for method, one in apart.items():
        base, whole = one.ends
        models = {
            "base": base,
            "attention alone": one.rows("modules", kind="attention")[0],
            "MLP alone": one.rows("modules", kind="mlp")[0],
            "whole update": whole,
            "all but embeddings": one.rows("embedding")[0],
        }
        rows += [_row(one, method, row, weights=name) for name, row in models.items()]
        kinds = one.difference(models["MLP alone"], models["attention alone"])
        embedded = one.difference(models["all but embeddings"], whole)
        said.append(
            f"{LABELS.get(method, method)}: MLP minus attention {_signed(kinds)}, "
            f"the base's embeddings change {_signed(embedded)}"
        )
    return Figure(
        name="modules",
        title="Which modules carry the gain",
        caption=f"{'; '.join(said)}. Accuracy, with paired intervals over problems.",
        description="Bar chart of accuracy with parts of the update: attention, MLP, all, and all but the embeddings.",
        chart=_bars(results, apart, rows, "weights", None),
        rows=rows,
    )


def _rescaling(apart: Parts) -> Figure:
    rows: list[Row] = []
    said = []
    for method, one in apart.items():
        for row in one.rows("rescaling"):
            if row.beta not in (0.0, 1.0):
                continue
            name = "rescaled to the final norms" if row.beta else "checkpoint as it is"
            share, kept = one.gained(row), one.kept(row)
            rows.append(
                _row(one, method, row, progress=row.progress, step=row.step, weights=name)
                | {"gained": defined(share.value), "gained_low": defined(share.low), "gained_high": defined(share.high)}
                | {"kept": defined(kept.value)}
            )
        first = one.rows("rescaling", beta=1.0)[0]
        share, kept = one.gained(first), one.kept(first)
        said.append(
            f"{LABELS.get(method, method)} {share_in_words(kept)} of the final accuracy, {share_in_words(share)} "
            "of the gain over the base"
        )
    progress = next(iter(apart.values())).rows("rescaling")[0].progress or 0
    chart = alt.Chart(data(rows)).transform_filter("datum.method == method")
    finals = [
        {"method": LABELS.get(method, method), "accuracy": one.accuracy(one.ends[1]).value, "name": "final"}
        for method, one in apart.items()
    ]
    finals += [
        {"method": LABELS.get(method, method), "accuracy": 0.8 * one.accuracy(one.ends[1]).value, "name": "paper"}
        for method, one in apart.items()
    ]
    rules = alt.Chart(data(finals)).transform_filter("datum.method == method").encode(y="accuracy:Q")
    x = alt.X("progress:O", title="share of training", axis=alt.Axis(format="~%", labelAngle=0))
    offset = alt.XOffset("weights:N", sort=["checkpoint as it is", "rescaled to the final norms"])
    colour = alt.Color(
        "weights:N",
        title=None,
        scale=alt.Scale(domain=["checkpoint as it is", "rescaled to the final norms"], range=[GREY, "#cc79a7"]),
        legend=legend(1),
    )
    return Figure(
        name="rescaling",
        title="Early direction, final length",
        caption=f"Each module's update at {progress * 100:g} % of training, stretched to its final norm, recovers: "
        f"{'; '.join(said)}. The paper's OPD recovers about 80 % of the final performance.",
        description="Bar chart of accuracy at early checkpoints, as they are and rescaled to the final norms.",
        chart=layered(
            chart.mark_bar().encode(
                x=x,
                xOffset=offset,
                y=alt.Y("accuracy:Q", title="accuracy", scale=ACCURACY),
                color=colour,
                tooltip=["method:N", "step:Q", "weights:N", "accuracy:Q", "low:Q", "high:Q", "gained:Q", "kept:Q"],
            ),
            chart.mark_rule(strokeWidth=1.5).encode(x=x, xOffset=offset, y="low:Q", y2="high:Q"),
            rules.mark_rule(strokeDash=[3, 3], color=GREY),
            rules.mark_text(align="left", dx=4, dy=-6, color=GREY).encode(x=alt.value(0), text="name:N"),
        ),
        rows=rows,
        controls=[Choice("method", "Run", [LABELS.get(method, method) for method in reversed(list(apart))])],
    )


def _beta(results: Results, apart: Parts) -> Figure:
    rows: list[Row] = []
    said = []
    for method, one in apart.items():
        first = one.rows("rescaling")[0].progress
        line = sorted(one.rows("rescaling", progress=first), key=lambda row: row.beta or 0)
        if len(line) < 3:  # the two ends alone are in the figure of the rescaling
            continue
        rows += [_row(one, method, row, beta=row.beta) for row in line]
        best = max(line, key=lambda row: one.accuracy(row).value)
        said.append(f"{LABELS.get(method, method)} best at β = {best.beta:g} ({one.accuracy(best).value:.3f})")
    x, y = alt.X("beta:Q", title="β", axis=alt.Axis(grid=False)), alt.Y("accuracy:Q", title="accuracy", scale=ACCURACY)
    chart, colour = alt.Chart(data(rows)), colours(results, list(apart))
    return Figure(
        name="beta",
        title="How far to stretch it",
        caption=f"β = 0 is the early checkpoint, β = 1 the final norm: {'; '.join(said)}, of the values tried. "
        "The paper's optimum lies between 0.8 and 1.2.",
        description="Line chart of accuracy against β, one line for each method.",
        chart=layered(
            chart.mark_area(opacity=0.15).encode(
                x=x, y=alt.Y("low:Q", title="accuracy", scale=ACCURACY), y2="high:Q", color=colour
            ),
            chart.mark_line(strokeWidth=2.5).encode(x=x, y=y, color=colour),
            chart.mark_circle(size=50, opacity=1).encode(
                x=x, y=y, color=colour, tooltip=["method:N", "beta:Q", "accuracy:Q", "low:Q", "high:Q"]
            ),
        ),
        rows=rows,
    )


def _truncation(results: Results, apart: Parts) -> Figure:
    rows: list[Row] = []
    said = []
    for method, one in apart.items():
        for row in (*one.rows("top"), *one.rows("bottom")):
            kept = one.kept(row)
            name = f"{'leading' if row.experiment == 'top' else 'trailing'} {row.percent:g} %"
            rows.append(_row(one, method, row, kept_components=name) | {"kept": defined(kept.value)})
            said.append(f"{LABELS.get(method, method)} {name}: {share_in_words(kept)}")
    return Figure(
        name="truncation",
        title="How few directions are enough",
        caption=f"Singular components kept, and the share of the final accuracy that is left: {'; '.join(said)}. "
        "The leading ones are rescaled to the whole update's norm. In the paper the leading 10 % keep over 95 %.",
        description="Bar chart of accuracy when only leading or trailing singular components are kept.",
        chart=_bars(results, apart, rows, "kept_components", None),
        rows=rows,
    )


def _bars(results: Results, apart: Parts, rows: Sequence[Row], field: str, title: str | None) -> alt.LayerChart:
    """Horizontal bars of accuracy with whiskers, a group for each value of `field`, a bar for each method."""
    order = list(dict.fromkeys(row[field] for row in rows))
    chart = alt.Chart(data(rows)).encode(
        y=alt.Y(f"{field}:N", title=title, sort=order, axis=alt.Axis(labelLimit=130)),
        yOffset=alt.YOffset("method:N", sort=[LABELS.get(method, method) for method in apart]),
    )
    return layered(
        chart.mark_bar().encode(
            x=alt.X("accuracy:Q", title="accuracy", scale=ACCURACY, axis=alt.Axis(tickCount=5)),
            color=colours(results, list(apart)),
            tooltip=["method:N", f"{field}:N", "update_norm:Q", "accuracy:Q", "low:Q", "high:Q"],
        ),
        chart.mark_rule(strokeWidth=1.5).encode(x="low:Q", x2="high:Q"),
    )


def _signed(found: Interval) -> str:
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
