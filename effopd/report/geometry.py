"""Figures of weight space: the runs' paths, where in the network they move, and the shapes of their updates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

from effopd.findings import words
from effopd.findings.estimates import measured, middle
from effopd.findings.evidence import Evidence
from effopd.findings.measures import (
    EMBEDDING_COSINE,
    PATH_VARIANCE,
    TABLE_1,
    UPDATE_NORM,
    Measure,
    aligned_at,
    label_of,
)
from effopd.findings.results import Results
from effopd.report.figures import Control, Drawing, Row, colours, label, medians

FRAMES = 16  # of the map over training, at most
POSITIONS = 48  # at which a spectrum is drawn
NORMS = ("update_norm", "relative_update_norm")
KINDS = {"mlp": "MLP", "attention": "attention"}
MODULES = Control("modules", "Modules", list(KINDS.values()))
MEASURE = Control("measure", "Norm", ["absolute", "relative to the base"])
AT_A_RATE = (UPDATE_NORM, TABLE_1["effective_rank"], TABLE_1["spectral_frobenius_ratio"], aligned_at(0.1))
ALIGNMENTS = {"singular vectors, one by one": "top_k_cosine", "their subspaces": "principal_angle"}
"""The paper's measure, and one that swaps of near-equal singular values do not lower."""
PAPER_MODELS = ("1.5B", "4B", "8B", "14B")
NO_PAPER = ("–",) * len(PAPER_MODELS)
TABLE: tuple[tuple[Measure, tuple[str, ...]], ...] = (
    (TABLE_1["spectral_norm"], (".094 / .113", ".007 / .009", ".004 / .005", ".056 / .063")),
    (TABLE_1["spectral_frobenius_ratio"], ("33.2 / 39.6 %", "19.7 / 25.7 %", "32.7 / 36.8 %", "24.4 / 28.1 %")),
    (TABLE_1["effective_rank"], ("964 / 778", "1908 / 1587", "2754 / 2341", "3174 / 2937")),
    (TABLE_1["top1_norm_ratio"], ("78.1 / 92.3 %", "79.2 / 93.4 %", "88.5 / 94.7 %", "81.2 / 94.5 %")),
    (EMBEDDING_COSINE, (".9156 / .9412", ".9672 / .9851", ".9421 / .9752", ".8961 / .9512")),
    (UPDATE_NORM, NO_PAPER),
    (PATH_VARIANCE, NO_PAPER),
)
"""What is measured on an update, and the paper's Table 1 and embedding cosines: RL / OPD, for each of its models."""


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


def spectral_table(results: Results) -> list[tuple[str, list[str], tuple[str, ...]]]:
    """Of each measure the name, medians over replicates with their range by method, and the paper's numbers."""
    found = []
    for measure, paper in TABLE:
        runs = [measured(results.of(method), measure.of) for method in results.decomposed]
        found.append((measure.label, [words.spread(values, measure.form) for values in runs], paper))
    return found


def alignment(evidence: Evidence) -> Drawing:
    """The update at each checkpoint against the final one."""
    results = evidence.results
    rows = [
        {"run": run.name, "method": label(run), "measure": name, "progress": row.progress, "step": row.step}
        | {"alignment": value}
        for run in results.runs
        if run.spectral is not None and run.rate is None
        for row in run.spectral.alignment
        for name, field in ALIGNMENTS.items()
        if (value := getattr(row, field)) is not None
    ]
    said = []
    for method in results.decomposed:
        early = [(at, middle(measured(results.of(method), aligned_at(at).of))) for at in (0.1, 0.2, 0.5)]
        found = [f"{value:.2f} at {at * 100:g} %" for at, value in early if value is not None]
        said.append(f"{label_of(method)} {', '.join(found) if found else 'has no checkpoint that early'}")
    paper = {"progress": 0.1, "alignment": 0.72, "name": "paper, OPD", "measure": next(iter(ALIGNMENTS))}
    choice = Control("measure", "Compared", list(ALIGNMENTS))
    fills = {"methods": colours(results, results.decomposed)}
    return Drawing(rows, {"early": "; ".join(said)}, [choice], fills, {"paper": [paper]})


def rates(evidence: Evidence) -> Drawing | None:
    """What the learning rate does to the final update; None where a single rate was tried."""
    swept = {run.method for run in evidence.results.sweep if run.spectral is not None}
    rows: list[Row] = [
        {"run": run.name, "learning_rate": run.learning_rate, "quantity": measure.label, "value": value}
        for run in evidence.results.runs
        if run.method in swept
        for measure in AT_A_RATE
        if (value := measure.of(run)) is not None
    ]
    if not rows:
        return None
    tried = sorted({row["learning_rate"] for row in rows})
    middles = sorted(medians(rows, ("quantity", "learning_rate"), ("value",)), key=lambda row: row["learning_rate"])
    said = []
    for measure in AT_A_RATE:
        if ends := [row["value"] for row in middles if row["quantity"] == measure.label]:
            said.append(f"{measure.label} {' → '.join(words.written(ends[i], measure.form) for i in (0, -1))}")
    scale = {"type": "log", "domain": [tried[0] / 1.2, tried[-1] * 1.2], "nice": False}
    return Drawing(
        rows,
        {"lowest": f"{tried[0]:g}", "highest": f"{tried[-1]:g}", "ends": "; ".join(said)},
        [Control("quantity", "Show", list(dict.fromkeys(row["quantity"] for row in rows)))],
        {"x": scale, "rates": tried},
    )


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
