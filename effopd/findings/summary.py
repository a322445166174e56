"""The figures that matter, as JSON: reports/summary.json for programs, reports/metrics.json for `dvc metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from effopd.findings.comparisons import Judged
from effopd.findings.convergence import Speedup
from effopd.findings.estimates import Interval, as_columns, defined, final_accuracy, measured, middle
from effopd.findings.evidence import Evidence
from effopd.findings.extrapolation import extrapolated
from effopd.findings.interventions import SETTINGS, Apart, norm_matched
from effopd.findings.measures import HEADED, RATIOS, TABLE_1, UPDATE_NORM, aligned_at, of_update
from effopd.findings.results import Checkpoint, Run

INTERVENED = ("experiment", *SETTINGS, "update_norm", "accuracy", "low", "high", "n")
WHOLE = ("total_update_norm", "embedding_cosine", "explained_variance")
REPLICATE = ("replicate", "target", "baseline", "method", "best", "best_rate")
EXTREMES = ("low", "high", "smallest", "largest")
ALIGNED_AT = (0.1, 0.2, 0.5)


def summary(evidence: Evidence, claims: Sequence[Judged], provenance: dict[str, Any]) -> dict[str, Any]:
    """Everything by the name of its run.

    recovery: the checkpoint at `progress` of training, rescaled to the final norms. recovered: its share of the gain
    over the base, (rescaled − base) / (final − base); share_of_final: rescaled / final.
    extrapolation: by method and share of training observed, the accuracy of the last observed checkpoint, of the final
    weights as fixed methods predict them, and of EffOPD after as many steps. gap: to that checkpoint.
    methods: each method over its replicates. value, low and high: with an interval over problems; median, smallest and
    largest: over replicates.
    costs: what each run had spent at its checkpoints. student_tokens: passed through the student, back or forth. flops:
    of student and teacher, as if they were of one size.
    speedup: medians over replicates of OPD's cost / EffOPD's, best_lr_*: the best learning rate's / EffOPD's,
    with_sweep_*: that of all rates tried / EffOPD's; null when not measured or when the median replicate never arrives.
    speedup_free: the same of the EffOPD that finds its own rate.
    """
    results, apart = evidence.results, evidence.apart
    analysed = [(run.name, run.spectral) for run in results.runs if run.spectral is not None]
    intervened = [run for run in results.runs if run.interventions]
    return {
        "accuracy": {"base": _accuracy(results.base)} | {run.name: _accuracy(run.final) for run in results.runs},
        "curve": {run.name: [asdict(point) for point in run.curve] for run in results.runs},
        "costs": {run.name: _costs(run) for run in results.runs},
        "speedup": _speedup(evidence.speedup),
        "speedup_free": _speedup(evidence.speedup_free),
        "spectral": {name: _picked(found, TABLE_1) for name, found in analysed},
        "update": {name: _picked(found, WHOLE) for name, found in analysed},
        "alignment": {name: [asdict(row) for row in found.alignment] for name, found in analysed},
        "recovery": {run.name: _recovery(run, apart[run.method]) for run in intervened if run.method in apart},
        "interventions": {run.name: [_picked(row, INTERVENED) for row in run.interventions] for run in intervened},
        "norm_matched": [
            {"share": share, "norm": norm, **asdict(gap)} for share, (norm, gap) in norm_matched(apart).items()
        ],
        "extrapolation": {
            method: [found.row for found in extrapolated(results, method, one)] for method, one in apart.items()
        },
        "methods": {method: _method(results.of(method), apart.get(method)) for method in results.methods},
        "benchmarks": [asdict(row) for row in evidence.benchmarked],
        "claims": {claim.name: _picked(claim, ("verdict", "finding")) for claim in claims},
        "provenance": provenance,
    }


def metrics(evidence: Evidence) -> dict[str, float]:
    """The main numbers, flat: accuracy as means, the rest as medians over replicates; absent if not measured."""
    found: dict[str, float | None] = {"accuracy_base": evidence.results.base.accuracy}
    for method in evidence.results.methods:
        runs = evidence.results.of(method)
        accuracy = final_accuracy(runs)
        found[f"accuracy_{method}"] = accuracy.value if accuracy else None
        found[f"effective_rank_{method}"] = middle(measured(runs, TABLE_1["effective_rank"].of))
        found[f"update_norm_{method}"] = middle(measured(runs, UPDATE_NORM.of))
        for progress in ALIGNED_AT:
            found[f"alignment_{method}_at_{progress * 100:.0f}"] = middle(measured(runs, aligned_at(progress).of))
        if one := evidence.apart.get(method):
            found[f"recovered_{method}"] = defined(one.gained(one.stretched).value)
    for name in HEADED:
        found[f"speedup_{name}"] = evidence.speedup.median(name)
        found[f"speedup_free_{name}"] = evidence.speedup_free.median(name)
    return {name: value for name, value in found.items() if value is not None}


def _accuracy(point: Checkpoint) -> dict[str, float]:
    return {"mean": point.accuracy, "low": point.low, "high": point.high, "n": point.n}


def _costs(run: Run) -> list[dict[str, Any]]:
    logged = {row.step: row for row in run.log}
    return [
        {"batches": logged[point.step].batches, "student_tokens": logged[point.step].student_tokens}
        | _picked(point, ("step", "sampled_tokens", "teacher_tokens", "flops", "cpu_seconds"))
        for point in run.curve
        if point.step
    ]


def _speedup(speedup: Speedup) -> dict[str, Any]:
    replicates = [_picked(row, REPLICATE) | dict(row.ratios) for row in speedup.replicates]
    return {"target": speedup.target, "replicates": replicates} | {name: speedup.median(name) for name in RATIOS}


def _recovery(run: Run, whole: Apart) -> dict[str, Any]:
    """One run's first rescaled checkpoint, with intervals over problems."""
    one = Apart((run.interventions,), whole.confidence, whole.resamples, whole.seed)
    return {
        "progress": (one.stretched.step or 0) / run.final.step,
        "step": one.stretched.step,
        "base": one.base.accuracy,
        "early": one.early.accuracy,
        "rescaled": one.stretched.accuracy,
        "final": one.trained.accuracy,
        **as_columns("recovered", one.gained(one.stretched)),
        "share_of_final": defined(one.kept(one.stretched).value),
    }


def _method(runs: Sequence[Run], apart: Apart | None) -> dict[str, Any]:
    """One method: its update's shape, its alignment with the final update, and what interventions say of it."""
    accuracy = final_accuracy(runs)
    found: dict[str, Any] = {
        "accuracy": accuracy and {"mean": accuracy.value, "n": runs[0].final.n, **_picked(accuracy, EXTREMES)},
        "update": {key: _range(runs, of_update(key)) for key in (*TABLE_1, *WHOLE)},
        "alignment": [{"progress": at, **_range(runs, aligned_at(at).of)} for at in ALIGNED_AT],
    }
    if apart is None:
        return found
    return found | {
        "gain_per_length": _interval(apart.gain_per_length()),
        "mlp_gain": _interval(apart.difference(apart.mlp, apart.base)),
        "attention_gain": _interval(apart.difference(apart.attention, apart.base)),
        "mlp_minus_attention": _interval(apart.difference(apart.mlp, apart.attention)),
        "base_embeddings": _interval(apart.difference(apart.row("embedding"), apart.trained)),
        "windows": [
            _picked(row, ("kind", "centre", "half_width")) | _interval(apart.difference(row, apart.base))
            for row in apart.rows("window")
        ],
        "rescaled": [
            {"progress": row.progress, "kept": _interval(apart.kept(row)), "gained": _interval(apart.gained(row))}
            for row in apart.rows("rescaling", beta=1.0)
        ],
    }


def _range(runs: Sequence[Run], of: Callable[[Run], float | None]) -> dict[str, Any]:
    found = measured(runs, of)
    return {"median": middle(found), "smallest": min(found, default=None), "largest": max(found, default=None)}


def _interval(found: Interval) -> dict[str, Any]:
    return {name: defined(value) for name, value in asdict(found).items()}


def _picked(source: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}
