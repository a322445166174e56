"""What a figure is, the colours that every figure shares, and how figures are saved."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert as vlc

from effopd.report.results import Results, Run

Row = dict[str, Any]

LABELS = {"rl": "RL", "opd": "OPD", "effopd": "EffOPD"}
PALETTE = {"rl": "#d55e00", "opd": "#2a7fc9", "effopd": "#009e73"}
"""A colour for each method, told apart by colour-blind readers (after Okabe & Ito) on light and dark ground."""
MORE_COLOURS = ("#cc79a7", "#b8860b", "#8c6bb1", "#7f7f7f", "#5f9ea0", "#a0522d")
"""For methods without a colour of their own and for runs of the sweep, in their order."""
GREY = "#808080"  # readable on light and dark ground: reference lines, the paper's numbers

LIGHT = {"text": "#1f2328", "muted": "#57606a", "grid": "#d8dee4", "ground": "#ffffff"}
DARK = {"text": "#e6edf3", "muted": "#9da7b3", "grid": "#30363d", "ground": "#161b22"}
FONT = "system-ui, -apple-system, Segoe UI, Roboto, sans-serif"


@dataclass(frozen=True)
class Choice:
    """A row of buttons that sets the chart's parameter `param` to one of `options`, at first the first one."""

    param: str
    label: str
    options: Sequence[str]

    @property
    def start(self) -> str:
        return self.options[0]


@dataclass(frozen=True)
class Slider:
    """A slider, with a play button, that sets `param` to one of `values`, at first the last one.

    words: what each value is called.
    """

    param: str
    label: str
    values: Sequence[float]
    words: Sequence[str]

    @property
    def start(self) -> float:
        return self.values[-1]


@dataclass(frozen=True)
class Figure:
    """A chart and what is said about it.

    caption: a paragraph made of measured numbers. description: what the chart shows, for those who do not see it.
    rows: the data behind it, all with the same keys, for NAME.csv. wide: needs the page's whole width.
    controls: what a reader can change; the chart uses their `param` in its expressions.
    """

    name: str
    title: str
    caption: str
    description: str
    chart: alt.LayerChart | alt.Chart
    rows: Sequence[Row]
    wide: bool = False
    controls: Sequence[Choice | Slider] = ()

    @cached_property
    def spec(self) -> Row:
        """Vega-Lite as JSON values, as wide as its container."""
        chart = self.chart.properties(width="container", height=300 if self.wide else 240)
        params = [{"name": control.param, "value": control.start} for control in self.controls]
        spec = chart.to_dict(validate=False)  # checked when it is compiled
        return {"autosize": {"type": "fit-x", "contains": "padding"}, **spec, "params": params}


def label(run: Run) -> str:
    """What a run is called in legends: its method, and its rate if it belongs to the sweep."""
    name = LABELS.get(run.method, run.method)
    return name if run.rate is None else f"{name} at {run.rate:g}"


def colours(results: Results, methods: Sequence[str] | None = None, with_sweep: bool = False) -> alt.Color:
    """The colour channel, for a field `method` that holds labels: the same colour for a method in every figure."""
    spare = cycle(MORE_COLOURS)
    by_method = {method: PALETTE.get(method) or next(spare) for method in results.methods}
    shown = results.methods if methods is None else methods
    by_label = {LABELS.get(method, method): by_method[method] for method in shown}
    if with_sweep:
        by_label |= {label(run): next(spare) for run in results.sweep}
    scale = alt.Scale(domain=list(by_label), range=list(by_label.values()))
    return alt.Color("method:N", title=None, scale=scale, legend=legend(2, lines=True) if with_sweep else legend(3))


def legend(columns: int, lines: bool = False) -> alt.Legend:
    """Above the chart, in as many columns as a phone has room for; `lines` show how they are dashed."""
    if lines:
        return alt.Legend(orient="top", columns=columns, symbolOpacity=1, symbolType="stroke", symbolSize=300)
    return alt.Legend(orient="top", columns=columns, symbolOpacity=1)


def named_axis(expression: str) -> alt.TitleParams:
    """A title in place of an axis title, below the chart, from an expression: axis titles cannot change."""
    return alt.TitleParams(text=alt.ExprRef(expression), orient="bottom", anchor="middle")


def theme(shades: Mapping[str, str]) -> Row:
    """Vega-Lite's config for one ground."""
    axis = {
        "labelColor": shades["muted"],
        "titleColor": shades["text"],
        "gridColor": shades["grid"],
        "domainColor": shades["grid"],
        "tickColor": shades["grid"],
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    key = {"labelColor": shades["text"], "titleColor": shades["text"], "labelFontSize": 12, "labelLimit": 220}
    return {
        "aria": False,  # the page describes each chart as a whole
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": axis,
        "axisQuantitative": {"tickCount": 6},
        "title": {"color": shades["text"], "fontSize": 12, "fontWeight": "normal", "offset": 4},
        "rule": {"color": shades["text"]},
        "tick": {"color": shades["text"]},
        "legend": key | {"symbolStrokeWidth": 3, "columnPadding": 16},
        "text": {"color": shades["text"], "font": FONT, "fontSize": 12},
    }


def save(figures: Sequence[Figure], folder: Path) -> None:
    """Write NAME.svg and NAME.csv for each figure."""
    folder.mkdir(parents=True, exist_ok=True)
    config = theme(LIGHT) | {"background": LIGHT["ground"]}
    for figure in figures:
        spec = {**figure.spec, "width": 720 if figure.wide else 440}
        svg = vlc.vegalite_to_svg(spec, config=config, allowed_base_urls=[])
        (folder / f"{figure.name}.svg").write_text(svg + "\n", encoding="utf-8")
        save_csv(folder / f"{figure.name}.csv", figure.rows)


def save_csv(path: Path, rows: Sequence[Row]) -> None:
    """Rows as CSV; what was not measured is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def data(rows: Sequence[Row]) -> alt.Data:
    """Rows inside the chart; seven digits are more than a screen shows."""
    short = [{key: float(f"{v:.7g}") if isinstance(v, float) else v for key, v in row.items()} for row in rows]
    return alt.Data(values=short)


def layered(*charts: alt.Chart | alt.LayerChart) -> alt.LayerChart:
    """Charts drawn over each other, the first one lowest."""
    return alt.LayerChart(layer=list(charts))
