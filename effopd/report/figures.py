"""What a figure is, its look on light and dark ground, and how figures are saved."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import vl_convert as vlc

from effopd.findings.measures import label_of
from effopd.findings.results import Results, Run
from effopd.params.section import read_yaml

Row = dict[str, Any]
CHARTS = Path(__file__).with_name("charts.yaml")

PALETTE = {"rl": "#d55e00", "opd": "#2a7fc9", "effopd": "#009e73", "effopd-free": "#8c6bb1"}
"""A colour for each method, told apart by colour-blind readers (after Okabe & Ito) on light and dark ground."""
MORE_COLOURS = ("#cc79a7", "#b8860b", "#7f7f7f", "#5f9ea0", "#a0522d")
"""For methods without a colour of their own and for runs of the sweep, in their order."""

LIGHT = {"text": "#1f2328", "muted": "#57606a", "grid": "#d8dee4", "ground": "#ffffff"}
DARK = {"text": "#e6edf3", "muted": "#9da7b3", "grid": "#30363d", "ground": "#161b22"}


@dataclass(frozen=True)
class Control:
    """A row of buttons that sets the chart's parameter `param` to one of `values`, at first the first one.

    words: what each value is called on a slider with a play button instead, which begins at the last one.
    """

    param: str
    label: str
    values: Sequence[Any]
    words: Sequence[str] = ()

    @property
    def start(self) -> Any:
        return self.values[-1 if self.words else 0]


@dataclass(frozen=True)
class Drawing:
    """What a chart shows.

    rows: all with the same keys, for NAME.csv. said: the numbers of the caption, in words, by name, as in story.yaml.
    controls: what a reader can change. fills: what stands for "$name" in charts.yaml. more: other datasets, by name.
    """

    rows: Sequence[Row]
    said: Mapping[str, str]
    controls: Sequence[Control] = ()
    fills: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Sequence[Row]] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A drawing and what story.yaml says about it.

    caption: with the names of the drawing's numbers in braces. description: what the chart shows, for those who do not
    see it. wide: needs the page's whole width. chart: in Vega-Lite; None: what charts.yaml has by the figure's name.
    """

    name: str
    title: str
    caption: str
    description: str
    drawing: Drawing
    wide: bool = False
    chart: Row | None = None

    @property
    def told(self) -> str:
        """The caption with its numbers."""
        return self.caption.format(**self.drawing.said)

    @cached_property
    def spec(self) -> Row:
        """Vega-Lite as JSON values, as wide as its container."""
        datasets = {"rows": self.drawing.rows, **self.drawing.more}
        return {
            "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
            "autosize": {"type": "fit-x", "contains": "padding"},
            "width": "container",
            "height": 300 if self.wide else 240,
            "params": [{"name": control.param, "value": control.start} for control in self.drawing.controls],
            "datasets": {name: [_short(row) for row in rows] for name, rows in datasets.items()},
            "data": {"name": "rows"},
            **_filled(self.chart or _charts()[self.name], PALETTE | dict(self.drawing.fills)),
        }


def label(run: Run) -> str:
    """What a run is called in legends: its method, and its rate if it belongs to the sweep."""
    return label_of(run.method) + ("" if run.rate is None else f" at {run.rate:g}")


def colours(results: Results, methods: Iterable[str] | None = None, with_sweep: bool = False) -> dict[str, list[str]]:
    """The scale of a field that holds labels: the same colour for a method in every figure."""
    spare = cycle(MORE_COLOURS)
    by_method = {method: PALETTE.get(method) or next(spare) for method in results.methods}
    by_label = {label_of(method): by_method[method] for method in (results.methods if methods is None else methods)}
    if with_sweep:
        by_label |= {label(run): next(spare) for run in results.sweep}
    return {"domain": list(by_label), "range": list(by_label.values())}


def medians(rows: Iterable[Row], by: Sequence[str], of: Sequence[str]) -> list[Row]:
    """One row for all that are equal in `by`: the medians of the others that were measured, in order of appearance."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in by), []).append(row)
    found = []
    for place, group in groups.items():
        known = {key: [row[key] for row in group if row[key] is not None] for key in of}
        values = {key: median(each) if each else None for key, each in known.items()}
        found.append(dict(zip(by, place, strict=True)) | values)
    return found


def theme(shades: Mapping[str, str]) -> Row:
    """Vega-Lite's config for one ground."""
    config: Row = _filled(_charts()["theme"], shades)
    return config


def save(figures: Sequence[Figure], folder: Path) -> None:
    """Write NAME.svg and NAME.csv for each figure."""
    folder.mkdir(parents=True, exist_ok=True)
    config = theme(LIGHT) | {"background": LIGHT["ground"]}
    for figure in figures:
        spec = {**figure.spec, "width": 720 if figure.wide else 440}
        svg = vlc.vegalite_to_svg(spec, config=config, allowed_base_urls=[])
        (folder / f"{figure.name}.svg").write_text(svg + "\n", encoding="utf-8")
        save_csv(folder / f"{figure.name}.csv", figure.drawing.rows)


def save_csv(path: Path, rows: Sequence[Row]) -> None:
    """Rows as CSV; what was not measured is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@cache
def _charts() -> Row:
    return read_yaml(CHARTS)


def _short(row: Row) -> Row:
    """Seven digits are more than a screen shows."""
    return {key: float(f"{value:.7g}") if isinstance(value, float) else value for key, value in row.items()}


def _filled(part: Any, fills: Mapping[str, Any]) -> Any:
    """Part of a chart, with what stands for each "$name"."""
    if isinstance(part, dict):
        return {key: _filled(value, fills) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, fills) for value in part]
    return fills[part[1:]] if isinstance(part, str) and part.startswith("$") else part
