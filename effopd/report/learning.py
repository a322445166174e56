"""Figures of training: learning curves over its costs, speed-ups, training logs, leaps, benchmarks."""

from __future__ import annotations

import math
from statistics import median

from effopd.findings import words
from effopd.findings.estimates import final_accuracy
from effopd.findings.evidence import Evidence
from effopd.findings.measures import COSTS, HEADED, RATIOS, label_of
from effopd.findings.results import Candidate, Run, Trigger
from effopd.report.figures import Control, Drawing, Row, colours, label

DRAWN_COSTS = [COSTS[name] for name in ("steps", "sampled_tokens", "flops", "cpu", "seconds")]
CURVE = (*(cost.field for cost in DRAWN_COSTS), "accuracy", "low", "high")
LOGGED = {
    "Reverse KL to the teacher": ("reverse_kl", "nats a token", ".4f"),
    "Entropy of the student": ("entropy", "nats a token", ".3f"),
    "Completion length": ("completion_length", "tokens", ".1f"),
}
"""What is drawn of a training log: its field, unit and format."""
MOST_LOG_ROWS = 400  # of one run in a training curve: more than the pixels it is drawn on
THEN = {"kept": "kept", "passed": "try further", "failed": "stop"}
"""What becomes of a candidate. One that passes is kept unless a later one passes too."""
TIMES = (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50, 100)
DASHES = ([4, 3], [2, 2], [8, 3], [8, 3, 2, 3], [1, 3], [12, 4])


def learning_curves(evidence: Evidence) -> Drawing:
    """Accuracy against each cost; a run in which one was not measured has no curve over it."""
    results, target = evidence.results, evidence.speedup.target
    rows = [
        {"run": run.name, "method": label(run)} | {key: getattr(point, key) for key in CURVE}
        for run in results.runs
        for point in run.curve
    ]
    costs = [cost for cost in DRAWN_COSTS if any(row[cost.field] for row in rows)]
    swept = {label(run): DASHES[i % len(DASHES)] for i, run in enumerate(results.sweep)}
    shown = [
        {key: row[key] for key in ("run", "method", "step", "accuracy", "low", "high")}
        | {"cost": cost.label, "x": row[cost.field], "swept": row["method"] in swept}
        for cost in costs
        for row in rows
        if row[cost.field]  # a logarithm has no 0: the base is a line of its own
    ]
    base = results.base.accuracy
    lines = [{"accuracy": base, "name": f"base {base:.3f}", "dy": 12}]
    if target is not None:
        lines.append({"accuracy": target, "name": f"target {target:.3f}", "dy": -6})
    names = list(dict.fromkeys(label(run) for run in results.runs))
    fills = {
        "axis": " : ".join([*(f"cost == '{cost.label}' ? '{cost.axis}'" for cost in costs), "''"]),
        "methods": colours(results, with_sweep=True),
        "dashes": {"domain": names, "range": [swept.get(name, [1, 0]) for name in names]},
    }
    choice = Control("cost", "Against", [cost.label for cost in costs])
    return Drawing(rows, _curves_said(evidence), [choice], fills, {"shown": shown, "lines": lines})


def _curves_said(evidence: Evidence) -> dict[str, str]:
    results = evidence.results
    ends = [
        f"{label_of(method)} ends at {words.interval(end)} after {results.of(method)[0].final.step} steps"
        for method in results.methods
        if (end := final_accuracy(results.of(method)))
    ]
    same_rate = [name for name in HEADED if RATIOS[name].slow == "baseline"]
    gains = [f"{RATIOS[name].label} {words.ratio(evidence.speedup, name)}" for name in same_rate]
    searching = [
        f"{searched / spent * 100:.0f} % of {label_of(method)}'s"
        for method in results.methods
        if (searched := sum(run.search_cpu_seconds or 0.0 for run in results.of(method)))
        and (spent := sum(run.final.cpu_seconds or 0.0 for run in results.of(method)))
    ]
    untimed = [run.name for run in results.runs if run.final.seconds is None]
    return {
        "base": f"{results.base.accuracy:.3f}",
        "ends": "; ".join(ends),
        "gains": ", ".join(gains),
        "searching": f" Searching takes {' and '.join(searching)} processor time." if searching else "",
        "untimed": f" Not timed: {', '.join(untimed)}." if untimed else "",
    }


def speedups(evidence: Evidence) -> Drawing:
    """Bars of the medians, points for replicates; 1 means as fast as OPD."""
    labels = {name: RATIOS[name].label for name in HEADED}
    rows, medians, said = [], [], []
    searching = {"effopd": evidence.speedup, "effopd-free": evidence.speedup_free}
    for method, found in searching.items():
        if not found.replicates:
            continue
        for name, about in labels.items():
            place = {"method": label_of(method), "comparison": about}
            rows += [
                {**place, "replicate": row.replicate, "speedup": (ratio := row.ratios[name])}
                | {"outcome": words.replicates_ratio(row, name) if ratio is None else "measured"}
                for row in found.replicates
            ]
            medians.append({**place, "speedup": found.median(name)})
        each = ", ".join(f"{about} {words.ratio(found, name)}" for name, about in labels.items())
        said.append(f"{label_of(method)} {each}")
    goals = [{"speedup": 1, "name": "as fast"}, {"speedup": 3, "name": "paper: 3"}]
    compared = [method for method, found in searching.items() if found.replicates]
    fills = {"methods": colours(evidence.results, compared), "ticks": TIMES}
    return Drawing(rows, {"medians": "; ".join(said)}, fills=fills, more={"medians": medians, "goals": goals})


def found_rates(evidence: Evidence) -> Drawing | None:
    """The learning rate as searches set it, from where each run began; None where none sets it."""
    free = evidence.results.of("effopd-free")
    rows: list[Row] = [
        {"run": run.name, "update": update, "learning_rate": rate}
        for run in free
        for update, rate in ((0, run.learning_rate), *((one.update, one.learning_rate) for one in run.triggers))
    ]
    if not any(row["update"] for row in rows):
        return None
    best = sorted({row.best_rate for row in evidence.speedup_free.replicates if row.best_rate is not None})
    lines = [{"learning_rate": rate, "name": f"swept best {rate:g}"} for rate in best]
    exponents = [math.floor(math.log10(row["learning_rate"])) for row in rows]
    decades = [10.0**exponent for exponent in range(min(exponents), max(exponents) + 2)]
    ends = ", ".join(f"{run.triggers[-1].learning_rate:.2g}" for run in free if run.triggers)
    updates = max(row["update"] for row in rows)
    said = f"From {free[0].learning_rate:g} to {ends} after {updates} updates"
    return Drawing(rows, {"rates": said}, fills={"decades": decades}, more={"lines": lines})


def training_curves(evidence: Evidence) -> Drawing:
    """Reverse KL, entropy and completion length while training."""
    results = evidence.results
    rows, said = [], []
    for name, (field, unit, form) in LOGGED.items():
        ends = []
        for method in results.methods:
            if field == "reverse_kl" and method == "rl":  # RL's is to the base, not to the teacher
                continue
            runs = results.of(method)
            rows += [
                {"quantity": name, "run": run.name, "method": label(run), "step": row.step}
                | {"value": getattr(row, field)}
                for run in runs
                for row in run.log[:: 1 + len(run.log) // MOST_LOG_ROWS]
            ]
            first, last = (median(getattr(run.log[i], field) for run in runs) for i in (0, -1))
            ends.append(f"{label_of(method)} {first:{form}} → {last:{form}}")
        said.append(f"{name} in {unit}: {', '.join(ends)}")
    axis = " : ".join([*(f"quantity == '{name}' ? '{name}, {unit}'" for name, (_, unit, _) in LOGGED.items()), "''"])
    fills = {"axis": axis, "methods": colours(results)}
    return Drawing(rows, {"ends": ". ".join(said)}, [Control("quantity", "Show", list(LOGGED))], fills)


def leaps(evidence: Evidence) -> Drawing | None:
    """Every score of EffOPD in the order in which it was measured, one replicate at a time; None without any."""
    runs = {f"Replicate {run.replicate}": run for run in evidence.results.of("effopd") if run.triggers}
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


def benchmarks(evidence: Evidence) -> Drawing:
    """Accuracies with their intervals, a line for each run and benchmark."""
    found = evidence.benchmarked
    said = [f"{r.run} on {r.benchmark} {r.accuracy:.3f} ({r.low:.3f}–{r.high:.3f})" for r in found]
    return Drawing([vars(row) for row in found], {"accuracies": "; ".join(said)})
