"""The leaderboard as a page: a picture of what the starting rate costs, and a table for each world and loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import vl_convert as vlc

from effopd.report.figures import LIGHT, PALETTE, theme

LOSSES = ("reverse_kl", "sampled")
RATIOS = (1, 4, 20)
"""How many times as much as the student the teacher costs a token."""
CONSTANT_RATE, PUBLISHED, FOUND_RATE = "constant rate", "EffOPD, as the paper describes it", "effopd-free"


def middle(one: Mapping[str, Any], name: str) -> float:
    """The median over replicates; one that does not arrive is worse than all others."""
    return median(math.inf if run[name] is None else run[name] for run in one["replicates"])


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Markdown: policies of one loss, the fewest batches first."""
    lines = [
        "| policy | starts at | updates a batch | batches | sampled tokens | processor seconds | of these searching | "
        "GFLOP, the teacher 1, 4, 20 times the student |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | --- |",
    ]
    for one in sorted(rows, key=lambda one: (middle(one, "steps"), middle(one, "cpu_seconds"))):
        each = ", ".join("never" if run["steps"] is None else f"{run['steps']:.1f}" for run in one["replicates"])
        rate = "" if one["learning_rate"] is None else f"{one['learning_rate']:g}"
        cells = [one["name"], rate, str(one["updates_per_batch"]), each]
        if middle(one, "steps") < math.inf:
            spent = [run["spent"] for run in one["replicates"]]
            searching = median(each["search_cpu_seconds"] / each["cpu_seconds"] for each in spent)
            cells += [f"{middle(one, 'sampled_tokens'):,.0f}", f"{middle(one, 'cpu_seconds'):.2f}", f"{searching:.0%}"]
            cells += [", ".join(f"{middle(one, f'flops_{ratio}') / 1e9:,.0f}" for ratio in RATIOS)]
        else:
            cells += ["never"] * 4
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def page(found: Mapping[str, Any], learned: str) -> str:
    """docs/leaderboard.md: the tables, and what was learned, which is kept as it is."""
    said = [
        "# Leaderboard",
        "",
        f"What {found['share']:.0%} of OPD's final accuracy takes, by policy: `make leaderboard` after `make repro`.",
        "Medians over three replicates, but for batches, which are of each. Costs contain searches and validation, and",
        "leave out the tests of accuracy. A batch is 64 prompts with a completion each.",
    ]
    said += ["", "![Batches to the target over the starting rate](images/leaderboard.svg)"]
    for there in (found, *found["other_worlds"]):
        for loss in LOSSES:
            rows = [one for one in there["rows"] if one["loss"] == loss]
            if rows:
                target = f"The target is {there['target']:.3f} on {there['problems']} problems."
                said += ["", f"## Loss `{loss}`, {there['world']}", "", target, "", *table(rows)]
    return "\n".join(said) + "\n\n" + learned


def draw(found: Mapping[str, Any]) -> str:
    """An SVG: batches over the starting rate, of constant rates and of effopd-free; who never arrives has no point."""
    shown: list[dict[str, Any]] = []
    for there in (found, *found["other_worlds"]):
        for one in there["rows"]:
            if one["name"] not in (CONSTANT_RATE, FOUND_RATE):
                continue
            updates = one["updates_per_batch"]
            place: dict[str, Any] = {
                "panel": f"{one['loss']}, {there['world'].removeprefix('the ')}",
                "updates": f"{updates} {'update' if updates == 1 else 'updates'} a batch",
                "policy": one["name"],
                "rate": one["learning_rate"],
            }
            half = middle(one, "steps")
            place["middle"] = None if half == math.inf else half
            shown += [place | {"batches": run["steps"]} for run in one["replicates"]]
    panels = list(dict.fromkeys(row["panel"] for row in shown))
    rate = {"field": "rate", "type": "quantitative", "title": "starting rate"}
    rate |= {"scale": {"type": "log", "nice": False}, "axis": {"format": "~e", "tickCount": 3}}
    batches = {"type": "quantitative", "title": "batches", "scale": {"type": "log"}}
    colour = {
        "field": "policy",
        "type": "nominal",
        "title": None,
        "scale": {"domain": [CONSTANT_RATE, FOUND_RATE], "range": [PALETTE["opd"], PALETTE["effopd-free"]]},
        "legend": {"orient": "top"},
    }
    spec = {
        "data": {"values": shown},
        "facet": {
            "row": {"field": "panel", "type": "nominal", "title": None, "sort": panels},
            "column": {"field": "updates", "type": "nominal", "title": None},
        },
        "spec": {
            "width": 300,
            "height": 170,
            "encoding": {"x": rate, "color": colour},
            "layer": [
                {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"y": batches | {"field": "middle"}}},
                {"mark": {"type": "circle", "size": 36}, "encoding": {"y": batches | {"field": "batches"}}},
            ],
        },
    }
    config = theme(LIGHT) | {"background": LIGHT["ground"]}
    return str(vlc.vegalite_to_svg(spec, config=config, allowed_base_urls=[])) + "\n"
