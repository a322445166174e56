"""How soon a run arrives at a target accuracy, and how many times sooner EffOPD does.

One definition serves all costs: the first upward crossing of the learning curve, interpolated linearly in the logarithm
of the cost between two checkpoints. Seconds and tokens contain validation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from effopd.findings.measures import COSTS, RATIOS, Measure
from effopd.findings.results import Results, Run

Arrival = Mapping[str, float | None]
"""Where a learning curve first meets a target: what each of COSTS is there, interpolated; None: not measured.

checkpoint: the step of the first checkpoint at or above the target, without interpolation.
"""


@dataclass(frozen=True)
class ReplicateSpeedup:
    """One replicate of a method against its baseline.

    target: the share of the baseline's own final accuracy in this replicate.
    best: among the baseline and the sweep, the run that arrives in the fewest steps; best_rate: its learning rate.
    ratios: by name, slow side / method, above 1 when the method is faster; None when a side never arrives, was not
    measured, or is at the target before training.
    """

    replicate: int | None
    target: float
    baseline: Arrival | None
    method: Arrival | None
    best: Arrival | None
    best_rate: float | None
    ratios: Mapping[str, float | None]

    def outcome(self, name: str) -> float | None:
        """One ratio: −∞ when the method never arrives, None when the ratio was not measured."""
        return -math.inf if self.method is None else self.ratios[name]


@dataclass(frozen=True)
class Speedup:
    """All replicates, and the median of their targets."""

    replicates: tuple[ReplicateSpeedup, ...]
    target: float | None

    def outcomes(self, name: str) -> list[float | None]:
        return [row.outcome(name) for row in self.replicates]

    def median(self, name: str) -> float | None:
        """The median of a ratio; None when it never arrives, and when it was not measured: `bounds` tells these apart.

        A replicate that never arrives counts as slower than all others, not as missing.
        """
        lowest, highest = self.bounds(name)
        return lowest if lowest == highest and math.isfinite(lowest) else None

    def bounds(self, name: str) -> tuple[float, float]:
        """The lowest and highest that the median can be, whatever the replicates are that were not measured.

        Both are −∞ when the median replicate never arrives. They differ when the median was not measured.
        """
        found = self.outcomes(name)
        if not found:
            return -math.inf, math.inf
        lowest, highest = (median(end if one is None else one for one in found) for end in (-math.inf, math.inf))
        return lowest, math.inf if math.isnan(highest) else highest  # NaN: half way between never and not measured


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
    reached = [point.step for point in run.curve if point.accuracy >= target]
    if not reached:
        return None
    accuracies = [point.accuracy for point in run.curve]
    found: dict[str, float | None] = {"checkpoint": reached[0]}
    for name, cost in COSTS.items():
        spent = [getattr(point, cost.field) for point in run.curve]
        found[name] = None if None in spent else first_crossing(spent, accuracies, target)
    return found


def spent_to_own_end(cost: str, share: float) -> Measure:
    """What a run spends until it has a share of its own final accuracy."""

    def of(run: Run) -> float | None:
        found = arrival(run, share * run.final.accuracy)
        return None if found is None else found[cost]

    label = f"{COSTS[cost].label} to {share * 100:g} % of its own end, at its own rate and batch size"
    return Measure(label, of, ",.0f")


def speedup(results: Results, target_share: float, method: str = "effopd", baseline: str = "opd") -> Speedup:
    """`method` against `baseline` in every replicate that both have."""
    runs = {run.replicate: run for run in results.of(method)}
    pairs = [(run, runs[run.replicate]) for run in results.of(baseline) if run.replicate in runs]
    rows = tuple(_replicate(slow, fast, results.sweep, target_share) for slow, fast in pairs)
    return Speedup(rows, median(row.target for row in rows) if rows else None)


def _replicate(baseline: Run, method: Run, sweep: Sequence[Run], target_share: float) -> ReplicateSpeedup:
    target = target_share * baseline.final.accuracy
    candidates = [(arrival(run, target), run.learning_rate) for run in (baseline, *sweep)]
    arrivals = [(found, rate) for found, rate in candidates if found is not None]
    best, best_rate = min(arrivals, key=lambda found: found[0]["steps"] or 0.0) if arrivals else (None, None)
    slow = {"baseline": candidates[0][0], "best": best, "sweep": _all_of((baseline, *sweep), target) if sweep else None}
    fast = arrival(method, target)
    ratios = {name: _ratio(slow[ratio.slow], fast, ratio.cost) for name, ratio in RATIOS.items()}
    return ReplicateSpeedup(baseline.replicate, target, slow["baseline"], fast, best, best_rate, ratios)


def _all_of(runs: Sequence[Run], target: float) -> Arrival:
    """What runs cost one after the other, each to the target or, where it never gets there, to its end."""
    totals: dict[str, float | None] = {}
    for name, cost in COSTS.items():
        each = [there[name] if (there := arrival(run, target)) else getattr(run.final, cost.field) for run in runs]
        known = [one for one in each if one is not None]
        totals[name] = sum(known) if len(known) == len(each) else None
    return totals


def _ratio(slow: Arrival | None, fast: Arrival | None, cost: str) -> float | None:
    """How many times more of `cost` the slow side took; None without both, or where it took nothing."""
    if slow is None or fast is None:
        return None
    numerator, denominator = slow[cost], fast[cost]
    return numerator / denominator if numerator and denominator else None
