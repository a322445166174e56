"""How soon a run arrives at a target accuracy, and how many times sooner EffOPD does.

One definition serves steps, seconds and sampled tokens: the first upward crossing of the learning curve, interpolated
linearly in the logarithm of the cost between two checkpoints. Seconds and tokens contain validation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from effopd.report.results import Results, Run


@dataclass(frozen=True)
class Arrival:
    """Where a learning curve first meets a target: interpolated steps, seconds (None: not timed) and sampled tokens.

    checkpoint: the first checkpoint at or above the target, without interpolation.
    """

    steps: float
    seconds: float | None
    sampled_tokens: float
    checkpoint: int


@dataclass(frozen=True)
class ReplicateSpeedup:
    """One replicate of a method against its baseline; all ratios are baseline / method, above 1 when it is faster.

    target: the share of the baseline's own final accuracy in this replicate.
    best: among the baseline and the sweep, the run that arrives in the fewest steps; best_rate: its learning rate.
    A ratio is None when a side never arrives, was not timed, or is at the target before training.
    """

    replicate: int | None
    target: float
    baseline: Arrival | None
    method: Arrival | None
    best: Arrival | None
    best_rate: float | None
    steps: float | None
    wall: float | None
    tokens: float | None
    checkpoints: float | None
    best_lr_steps: float | None
    best_lr_wall: float | None


@dataclass(frozen=True)
class Speedup:
    """Medians over replicates. A replicate that never arrives counts as slower than all others, not as missing.

    A median is None when it never arrives, and when it was not measured: `median_bounds` tells these apart.
    """

    replicates: tuple[ReplicateSpeedup, ...]
    target: float | None
    steps: float | None
    wall: float | None
    tokens: float | None
    checkpoints: float | None
    best_lr_steps: float | None
    best_lr_wall: float | None


def first_crossing(costs: Sequence[float], accuracies: Sequence[float], target: float) -> float | None:
    """The cost at which a curve first reaches `target`; None if it never does.

    costs: ascending. Linear in log(cost) between two checkpoints. A first checkpoint that is there already gives its
    own cost; from cost 0, which has no logarithm, the curve counts as flat up to the next checkpoint.
    """
    for i, accuracy in enumerate(accuracies):
        if accuracy < target:
            continue
        if i == 0 or costs[i - 1] <= 0:
            return float(costs[i])
        share = (target - accuracies[i - 1]) / (accuracy - accuracies[i - 1])
        return costs[i - 1] * (costs[i] / costs[i - 1]) ** share
    return None


def arrival(run: Run, target: float) -> Arrival | None:
    """Where `run` first reaches `target`, or None."""
    accuracies = [point.accuracy for point in run.curve]
    steps = first_crossing([point.step for point in run.curve], accuracies, target)
    if steps is None:
        return None
    seconds = [point.seconds for point in run.curve if point.seconds is not None]
    tokens = first_crossing([point.sampled_tokens for point in run.curve], accuracies, target)
    return Arrival(
        steps=steps,
        seconds=first_crossing(seconds, accuracies, target) if len(seconds) == len(accuracies) else None,
        sampled_tokens=0.0 if tokens is None else tokens,
        checkpoint=next(point.step for point in run.curve if point.accuracy >= target),
    )


def speedup(results: Results, target_share: float, method: str = "effopd", baseline: str = "opd") -> Speedup:
    """`method` against `baseline` in every replicate that both have, and the medians."""
    runs = {run.replicate: run for run in results.of(method)}
    pairs = [(run, runs[run.replicate]) for run in results.of(baseline) if run.replicate in runs]
    rows = tuple(_replicate(slow, fast, results.sweep, target_share) for slow, fast in pairs)

    def middle(name: str) -> float | None:
        lowest, highest = median_bounds(rows, name)
        return lowest if lowest == highest and math.isfinite(lowest) else None

    return Speedup(
        replicates=rows,
        target=median(row.target for row in rows) if rows else None,
        steps=middle("steps"),
        wall=middle("wall"),
        tokens=middle("tokens"),
        checkpoints=middle("checkpoints"),
        best_lr_steps=middle("best_lr_steps"),
        best_lr_wall=middle("best_lr_wall"),
    )


def outcome(row: ReplicateSpeedup, name: str) -> float | None:
    """One ratio of a replicate: −∞ when its method never arrives, None when the ratio was not measured."""
    ratio: float | None = getattr(row, name)
    return -math.inf if row.method is None else ratio


def median_bounds(rows: Sequence[ReplicateSpeedup], name: str) -> tuple[float, float]:
    """The lowest and highest that the median of a ratio can be, whatever the replicates are that were not measured.

    Both are −∞ when the median replicate never arrives. They differ when the median was not measured.
    """
    found = [outcome(row, name) for row in rows]
    if not found:
        return -math.inf, math.inf
    lowest, highest = (median(end if one is None else one for one in found) for end in (-math.inf, math.inf))
    return lowest, math.inf if math.isnan(highest) else highest  # NaN: half way between never and not measured


def _replicate(baseline: Run, method: Run, sweep: Sequence[Run], target_share: float) -> ReplicateSpeedup:
    target = target_share * baseline.final.accuracy
    slow, fast = arrival(baseline, target), arrival(method, target)
    candidates = [(arrival(run, target), run.learning_rate) for run in (baseline, *sweep)]
    arrivals = [(found, rate) for found, rate in candidates if found is not None]
    best, best_rate = min(arrivals, key=lambda found: found[0].steps) if arrivals else (None, None)
    return ReplicateSpeedup(
        replicate=baseline.replicate,
        target=target,
        baseline=slow,
        method=fast,
        best=best,
        best_rate=best_rate,
        steps=_ratio(slow, fast, "steps"),
        wall=_ratio(slow, fast, "seconds"),
        tokens=_ratio(slow, fast, "sampled_tokens"),
        checkpoints=_ratio(slow, fast, "checkpoint"),
        best_lr_steps=_ratio(best, fast, "steps"),
        best_lr_wall=_ratio(best, fast, "seconds"),
    )


def _ratio(slow: Arrival | None, fast: Arrival | None, cost: str) -> float | None:
    """How many times more of `cost` the slow side took; None without both, or where it took nothing."""
    if slow is None or fast is None:
        return None
    numerator, denominator = getattr(slow, cost), getattr(fast, cost)
    return numerator / denominator if numerator and denominator else None
