"""EffOPD's triggers, replayed candidate by candidate."""

from __future__ import annotations

from effopd.findings.evidence import Evidence
from effopd.findings.results import Candidate, Run, Trigger
from effopd.report.figures import Control, Drawing, Row

THEN = {"kept": "kept", "passed": "try further", "failed": "stop"}
"""What becomes of a candidate. One that passes is kept unless a later one passes too."""


def leaps(evidence: Evidence) -> Drawing | None:
    """Every validation score in the order in which it was measured, one replicate at a time; None without any."""
    runs = {run.name if run.replicate is None else f"Replicate {run.replicate}": run for run in evidence.results.runs}
    runs = {name: run for name, run in runs.items() if run.triggers}
    rows = [row for name, run in runs.items() for row in _events(name, run)]
    scores = [row["score"] for row in rows if row["score"] is not None]
    if not scores:
        return None
    pad = 0.08 * (max(scores) - min(scores) or 1.0)
    fills = {
        "y": {"domain": [min(scores) - pad, max(scores) + 2 * pad], "nice": False},
        "multipliers": sorted({row["multiplier"] for row in rows}),
    }
    shown = range(1 + max(row["event"] for row in rows))
    slider = Control("shown", "Score", list(shown), [f"{n + 1} of {len(shown)}" for n in shown])
    said = {"leaps": "; ".join(_said(name, run) for name, run in runs.items())}
    return Drawing(rows, said, [Control("run", "Run", list(runs)), slider], fills)


def _said(name: str, run: Run) -> str:
    """How often it leaps, and what that adds up to."""
    gains = [
        (one.score or 0.0) - (trigger.score or 0.0)
        for trigger in run.triggers
        for one in trigger.candidates
        if one.k == trigger.accepted
    ]
    tried = sum(len(trigger.candidates) for trigger in run.triggers)
    return (
        f"{name} leaps at {len(gains)} of {len(run.triggers)} triggers after {tried} candidates; its leaps add up to "
        f"{sum(gains):+.2f} in validation accuracy"
    )


def _events(name: str, run: Run) -> list[Row]:
    """One row for each score, with what happened in words."""
    rows: list[Row] = []
    for trigger in run.triggers:
        trained = f"the trained weights {'are not finite' if trigger.score is None else f'score {trigger.score:.3f}'}"
        scores = [(0.0, trigger.score, "trained weights", trained)]
        for one in trigger.candidates:
            outcome = _outcome(one, trigger)
            scored = "is not finite" if one.score is None else f"scores {one.score:.3f}"
            story = f"W + {one.multiplier:g} Δ {scored}: {THEN[outcome]}"
            scores.append((one.multiplier, one.score, outcome, story))
        rows += [
            {"run": run.name, "replay": name, "event": len(rows) + i, "trigger": trigger.step, "multiplier": multiplier}
            | {"score": score, "outcome": outcome, "story": f"step {trigger.step}: {story}"}
            for i, (multiplier, score, outcome, story) in enumerate(scores)
        ]
    return rows


def _outcome(one: Candidate, trigger: Trigger) -> str:
    """Candidates are tried forward until one fails, and backward likewise when none of those was kept."""
    kept = next((other for other in trigger.candidates if other.k == trigger.accepted), None)
    if kept is None or one.k > kept.k or (one.multiplier < 0) != (kept.multiplier < 0):
        return "failed"
    return "kept" if one is kept else "passed"
