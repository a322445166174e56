"""Figures of weight space: the runs' paths, where in the network they move, and the spectra of their updates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

from effopd.findings.evidence import Evidence
from effopd.findings.measures import label_of
from effopd.report.figures import Control, Drawing, Row, colours, label, medians

FRAMES = 16  # of the map over training, at most
POSITIONS = 48  # at which a spectrum is drawn
NORMS = ("update_norm", "relative_update_norm")
KINDS = {"mlp": "MLP", "attention": "attention"}
MODULES = Control("modules", "Modules", list(KINDS.values()))
MEASURE = Control("measure", "Norm", ["absolute", "relative to the base"])


def paths(evidence: Evidence) -> Drawing | None:
    """The checkpoints of all runs on the first two principal components, to be played step by step."""
    results, found = evidence.results, evidence.results.paths
    if found is None:
        return None
    runs = {run.name: run for run in results.runs}
    accuracies = {(run.name, point.step): point.accuracy for run in results.runs for point in run.curve}
    rows: list[Row] = [
        {"run": point.run, "method": label(runs[point.run]), "step": point.step, "x": point.x, "y": point.y}
        | {"update_norm": point.update_norm, "accuracy": accuracies.get((point.run, point.step))}
        for point in found.points
        if point.run in runs
    ]
    walked: dict[str, list[tuple[float, float]]] = {}
    for name in dict.fromkeys(row["run"] for row in rows):
        line = sorted((row for row in rows if row["run"] == name), key=lambda row: row["step"])
        steps = [((a["x"] - b["x"]) ** 2 + (a["y"] - b["y"]) ** 2) ** 0.5 for a, b in pairwise(line)]
        walked.setdefault(runs[name].method, []).append((line[-1]["update_norm"], sum(steps)))
    lengths = []
    for method, ends in walked.items():
        away, walk = (median(length) for length in zip(*ends, strict=True))
        lengths.append(f"{label_of(method)} ends {away:.3g} from the base; in the plane it walked {walk:.3g}")
    said = {
        "share": f"{sum(found.explained) * 100:.0f} %",
        "checkpoints": f"{len(rows)}",
        "parameters": f"{found.parameters:,}",
        "lengths": "; ".join(lengths),
    }
    fills = {"methods": colours(results, walked), "x": _around(rows, "x"), "y": _around(rows, "y")}
    return Drawing(rows, said, [_steps(rows)], fills, {"base": [{**row, "name": "base"} for row in rows[:1]]})


def layer_norms(evidence: Evidence) -> Drawing:
    """‖ΔW‖_F of the final update by layer."""
    results = evidence.results
    each = [
        {"method": label_of(method), "layer": layer.layer, "modules": KINDS.get(layer.kind, layer.kind)}
        | {norm: getattr(layer, norm) for norm in NORMS}
        for method in results.decomposed
        for run in results.of(method)
        for layer in (run.spectral.layers if run.spectral else ())
    ]
    rows = medians(each, ("method", "layer", "modules"), NORMS)
    order = [label_of(method) for method in results.decomposed]
    said = []
    for method in order:
        mine = [row for row in rows if row["method"] == method and row["modules"] == "MLP"]
        ends = [pick(mine, key=lambda row: row["update_norm"]) for pick in (min, max) if mine]
        said.append(f"{method} from " + " to ".join(f"{end['update_norm']:.3g} (layer {end['layer']})" for end in ends))
    controls = [Control("method", "Run", ["all", *order]), MODULES, MEASURE]
    return Drawing(rows, {"ends": "; ".join(said)}, controls, {"methods": colours(results, results.decomposed)})


def norm_map(evidence: Evidence) -> Drawing:
    """‖ΔW‖_F of every kind of weight matrix in every layer, over training."""
    results = evidence.results
    each: list[Row] = []
    for method in results.decomposed:
        matrices = [one for run in results.of(method) if run.spectral for one in run.spectral.matrices]
        steps = sorted({one.step for one in matrices})
        frames = steps[:: -(1 + (len(steps) - 1) // FRAMES)][::-1]  # the last one among them
        until = dict(zip(frames, [*frames[1:], None], strict=True))
        each += [
            {"method": label_of(method), "step": one.step, "until": until[one.step], "layer": one.layer}
            | {"part": one.part.removesuffix("_proj"), "update_norm": one.update_norm}
            | {"relative_update_norm": one.relative_update_norm or 0.0}
            for one in sorted(matrices, key=lambda one: one.step)
            if one.step in until
        ]
    rows = medians(each, ("method", "step", "until", "layer", "part"), NORMS)
    said = []
    for method in dict.fromkeys(row["method"] for row in rows):
        final = [row for row in rows if row["method"] == method and row["until"] is None]
        most = max(final, key=lambda row: row["relative_update_norm"])
        said.append(f"{method} {most['part']} of layer {most['layer']} ({most['relative_update_norm'] * 100:.3g} %)")
    methods = Control("method", "Run", [label_of(method) for method in reversed(results.decomposed)])
    return Drawing(rows, {"furthest": "; ".join(said)}, [methods, MEASURE, _steps(rows)] if rows else [])


def spectra(evidence: Evidence) -> Drawing:
    """σ_j / σ_1 over the share of the rank, averaged over weight matrices."""
    results = evidence.results
    rows: list[Row] = []
    said = []
    for method in results.decomposed:
        found = [one for run in results.of(method) if run.spectral for one in run.spectral.spectra]
        moved = [one for one in found if one.singular_values and one.singular_values[0] > 0]
        for kind, name in KINDS.items():
            mine = [one.singular_values for one in moved if one.kind == kind]
            for at in (i / (POSITIONS - 1) for i in range(POSITIONS if mine else 0)):
                value = fmean(_interpolated(values, at) for values in mine)
                rows.append({"method": label_of(method), "modules": name, "rank": at, "relative_value": value})
        if moved:
            tenth = fmean(_interpolated(one.singular_values, 0.1) for one in moved)
            said.append(f"{label_of(method)} {tenth:.3f}")
    return Drawing(rows, {"tenth": "; ".join(said)}, [MODULES], {"methods": colours(results, results.decomposed)})


def _steps(rows: Sequence[Row]) -> Control:
    steps = sorted({row["step"] for row in rows})
    return Control("step", "Step", steps, [str(step) for step in steps])


def _around(rows: Sequence[Row], field: str) -> Row:
    """A scale with a margin around the values."""
    low, high = (pick((row[field] for row in rows), default=0.0) for pick in (min, max))
    return {"domain": [low - 0.08 * (high - low), high + 0.08 * (high - low)]}


def _interpolated(values: Sequence[float], at: float) -> float:
    """σ/σ_1 at a share of the rank, linear between neighbours."""
    place = at * (len(values) - 1)
    left = int(place)
    right = min(left + 1, len(values) - 1)
    return (values[left] + (values[right] - values[left]) * (place - left)) / values[0]
