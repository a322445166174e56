"""The figures that matter, as JSON: reports/summary.json for programs, reports/metrics.json for `dvc metrics`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from effopd.report.convergence import Speedup
from effopd.report.datasets import Benchmarked
from effopd.report.estimates import alignment_at, final_accuracy, measured, middle
from effopd.report.extrapolation import extrapolated_rows
from effopd.report.interventions import SETTINGS, Apart, Interval, defined, norm_matched
from effopd.report.mechanism import NORM_SHARES, Parts, common_norms
from effopd.report.results import Checkpoint, Results, Run, Spectral
from effopd.report.verdicts import Claim

INTERVENED = ("experiment", *SETTINGS, "update_norm", "accuracy", "low", "high", "n")
TABLE = ("spectral_norm", "spectral_frobenius_ratio", "effective_rank", "top1_norm_ratio")
WHOLE = ("total_update_norm", "embedding_cosine", "explained_variance")
ALIGNED_AT = (0.1, 0.2, 0.5)


def summary(
    results: Results,
    speedup: Speedup,
    claims: Sequence[Claim],
    apart: Parts,
    provenance: dict[str, Any],
    benchmarked: Sequence[Benchmarked] = (),
) -> dict[str, Any]:
    """Everything by the name of its run.

    recovery: the checkpoint at `progress` of training, rescaled to the final norms. recovered: its share of the gain
    over the base, (rescaled − base) / (final − base); share_of_final: rescaled / final.
    extrapolation: by method and share of training observed, the accuracy of the last observed checkpoint, of the final
    weights as fixed methods predict them, and of EffOPD after as many steps. gap: to that checkpoint.
    methods: each method over its replicates. value, low and high: with an interval over problems; median, smallest and
    largest: over replicates.
    speedup: medians over replicates of OPD's cost / EffOPD's, best_lr_*: the best learning rate's / EffOPD's; null when
    not measured or when the median replicate never arrives.
    """
    analysed = [(run.name, run.spectral) for run in results.runs if run.spectral is not None]
    return {
        "accuracy": {"base": _accuracy(results.base)} | {run.name: _accuracy(run.final) for run in results.runs},
        "curve": {run.name: [asdict(point) for point in run.curve] for run in results.runs},
        "speedup": asdict(speedup),
        "spectral": {name: {key: getattr(found, key) for key in TABLE} for name, found in analysed},
        "update": {name: {key: getattr(found, key) for key in WHOLE} for name, found in analysed},
        "alignment": {name: [asdict(row) for row in found.alignment] for name, found in analysed},
        "recovery": {
            run.name: _recovery(run, apart[run.method])
            for run in results.runs
            if run.interventions and run.method in apart
        },
        "interventions": {
            run.name: [{key: getattr(row, key) for key in INTERVENED} for row in run.interventions]
            for run in results.runs
            if run.interventions
        },
        "norm_matched": _norm_matched(apart),
        "extrapolation": {method: extrapolated_rows(results, method, one) for method, one in apart.items()},
        "methods": {method: _method(results.of(method), apart.get(method)) for method in results.methods},
        "benchmarks": [asdict(row) for row in benchmarked],
        "claims": {claim.name: {"verdict": claim.verdict, "finding": claim.finding} for claim in claims},
        "provenance": provenance,
    }


def metrics(results: Results, speedup: Speedup, apart: Parts) -> dict[str, float]:
    """The main numbers, flat: accuracy as means, the rest as medians over replicates; absent if not measured."""
    found: dict[str, float | None] = {"accuracy_base": results.base.accuracy}
    for method in results.methods:
        runs = results.of(method)
        accuracy = final_accuracy(runs)
        found[f"accuracy_{method}"] = accuracy.mean if accuracy else None
        found[f"effective_rank_{method}"] = middle(measured(runs, lambda s: s.effective_rank))
        found[f"update_norm_{method}"] = middle(measured(runs, lambda s: s.total_update_norm))
        for progress in ALIGNED_AT:
            aligned = measured(runs, lambda s, at=progress: alignment_at(s, at, "top_k_cosine"))  # type: ignore[misc]
            found[f"alignment_{method}_at_{progress * 100:.0f}"] = middle(aligned)
        one = apart.get(method)
        if one is not None:
            found[f"recovered_{method}"] = defined(one.gained(one.rows("rescaling", beta=1.0)[0]).value)
    for cost in ("steps", "wall", "tokens", "best_lr_steps", "best_lr_wall"):
        found[f"speedup_{cost}"] = getattr(speedup, cost)
    return {name: value for name, value in found.items() if value is not None}


def _accuracy(point: Checkpoint) -> dict[str, float]:
    return {"mean": point.accuracy, "low": point.low, "high": point.high, "n": point.n}


def _recovery(run: Run, whole: Apart) -> dict[str, Any]:
    """One run's first rescaled checkpoint, with intervals over problems."""
    one = Apart((run.interventions,), whole.confidence, whole.resamples, whole.seed)
    row = one.rows("rescaling", beta=1.0)[0]
    base, final = one.ends
    gained, kept = one.gained(row), one.kept(row)
    return {
        "progress": (row.step or 0) / run.final.step,
        "step": row.step,
        "base": base.accuracy,
        "early": one.rows("rescaling", beta=0.0)[0].accuracy,
        "rescaled": row.accuracy,
        "final": final.accuracy,
        "recovered": defined(gained.value),
        "recovered_low": defined(gained.low),
        "recovered_high": defined(gained.high),
        "share_of_final": defined(kept.value),
    }


def _method(runs: Sequence[Run], apart: Apart | None) -> dict[str, Any]:
    """One method: its update's shape, its alignment with the final update, and what interventions say of it."""
    accuracy = final_accuracy(runs)
    found: dict[str, Any] = {
        "accuracy": None if accuracy is None else asdict(accuracy),
        "update": {key: _range(runs, lambda s, key=key: getattr(s, key)) for key in (*TABLE, *WHOLE)},  # type: ignore[misc]
        "alignment": [
            {"progress": at, **_range(runs, lambda s, at=at: alignment_at(s, at, "top_k_cosine"))}  # type: ignore[misc]
            for at in ALIGNED_AT
        ],
    }
    if apart is None:
        return found
    base, trained = apart.ends
    mlp, attention = (apart.rows("modules", kind=kind)[0] for kind in ("mlp", "attention"))
    return found | {
        "gain_per_length": _interval(apart.gain_per_length()),
        "mlp_gain": _interval(apart.difference(mlp, base)),
        "attention_gain": _interval(apart.difference(attention, base)),
        "mlp_minus_attention": _interval(apart.difference(mlp, attention)),
        "base_embeddings": _interval(apart.difference(apart.rows("embedding")[0], trained)),
        "windows": [
            {"kind": row.kind, "centre": row.centre, "half_width": row.half_width}
            | _interval(apart.difference(row, base))
            for row in apart.rows("window")
        ],
        "rescaled": [
            {"progress": row.progress, "kept": _interval(apart.kept(row)), "gained": _interval(apart.gained(row))}
            for row in apart.rows("rescaling", beta=1.0)
        ],
    }


def _range(runs: Sequence[Run], value: Callable[[Spectral], float | None]) -> dict[str, Any]:
    found = measured(runs, value)
    return {"median": middle(found), "smallest": min(found, default=None), "largest": max(found, default=None)}


def _interval(found: Interval) -> dict[str, Any]:
    return {name: defined(value) for name, value in asdict(found).items()}


def _norm_matched(apart: Parts) -> list[dict[str, Any]]:
    """OPD's accuracy minus RL's at the same distances from the base."""
    if not {"rl", "opd"} <= apart.keys():
        return []
    return [
        {"share": share, "norm": norm, **asdict(norm_matched(apart["opd"], apart["rl"], norm))}
        for share, norm in zip(NORM_SHARES, common_norms(apart), strict=True)
    ]
