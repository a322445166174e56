"""The figures that matter, as JSON: reports/summary.json for programs, reports/metrics.json for `dvc metrics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from effopd.report.claims import EARLY, Claim
from effopd.report.convergence import Speedup
from effopd.report.estimates import alignment_at, final_accuracy, measured, middle
from effopd.report.results import Checkpoint, Results

TABLE = ("spectral_norm", "spectral_frobenius_ratio", "effective_rank", "top1_norm_ratio")


def summary(results: Results, speedup: Speedup, claims: Sequence[Claim], provenance: dict[str, Any]) -> dict[str, Any]:
    """Everything by the name of its run. `recovery` is empty until a stage measures interventions.

    speedup: medians over replicates of OPD's cost / EffOPD's, best_lr_*: the best learning rate's / EffOPD's; null when
    not measured or when the median replicate never arrives.
    """
    analysed = [(run.name, run.spectral) for run in results.runs if run.spectral is not None]
    return {
        "accuracy": {"base": _accuracy(results.base)} | {run.name: _accuracy(run.final) for run in results.runs},
        "curve": {run.name: [asdict(point) for point in run.curve] for run in results.runs},
        "speedup": asdict(speedup),
        "spectral": {name: {key: getattr(found, key) for key in TABLE} for name, found in analysed},
        "update": {
            name: {
                "total_update_norm": found.total_update_norm,
                "embedding_cosine": found.embedding_cosine,
                "explained_variance": found.explained_variance,
            }
            for name, found in analysed
        },
        "alignment": {name: [asdict(row) for row in found.alignment] for name, found in analysed},
        "recovery": {},
        "claims": {claim.name: {"verdict": claim.verdict, "finding": claim.finding} for claim in claims},
        "provenance": provenance,
    }


def metrics(results: Results, speedup: Speedup) -> dict[str, float]:
    """The main numbers, flat: accuracy as means, the rest as medians over replicates; absent if not measured."""
    found: dict[str, float | None] = {"accuracy_base": results.base.accuracy}
    for method in results.methods:
        runs = results.of(method)
        accuracy = final_accuracy(runs)
        found[f"accuracy_{method}"] = accuracy.mean if accuracy else None
        found[f"effective_rank_{method}"] = middle(measured(runs, lambda s: s.effective_rank))
        found[f"update_norm_{method}"] = middle(measured(runs, lambda s: s.total_update_norm))
        for progress in EARLY:
            aligned = measured(runs, lambda s, at=progress: alignment_at(s, at, "top_k_cosine"))  # type: ignore[misc]
            found[f"alignment_{method}_at_{progress * 100:.0f}"] = middle(aligned)
    for cost in ("steps", "wall", "tokens", "best_lr_steps", "best_lr_wall"):
        found[f"speedup_{cost}"] = getattr(speedup, cost)
    return {name: value for name, value in found.items() if value is not None}


def _accuracy(point: Checkpoint) -> dict[str, float]:
    return {"mean": point.accuracy, "low": point.low, "high": point.high, "n": point.n}
