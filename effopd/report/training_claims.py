"""Verdicts on how soon and how high runs come: RL against OPD, and what EffOPD's leaps give and cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from effopd.report.convergence import Arrival, Speedup, arrival
from effopd.report.estimates import final_accuracy
from effopd.report.interventions import between
from effopd.report.mechanism import Parts
from effopd.report.results import Results, Run
from effopd.report.verdicts import Check, Claim, verdict

SAME = 0.02
"""How much accuracy lower still counts as the same."""
TINY = 0.1
"""The share of the time saved that a tiny overhead may take."""
STRONG_AT = 4
EARLY, LATE = 10, 35


def rl_claims(results: Results, target_share: float, apart: Parts) -> tuple[Claim, ...]:
    """Reinforcement learning against distillation: later, dearer, lower."""
    return _later(results, target_share), _rollouts(results, target_share), _ceiling(results, apart)


def leap_claims(results: Results, speedup: Speedup) -> tuple[Claim, ...]:
    """What EffOPD's leaps give and cost, beside the speed-ups."""
    return (
        _few_searches(results, speedup),
        _validation_set(results),
        _ten_steps(results),
        _fourth_step(results),
        _same_end(results),
    )


def _later(results: Results, share: float) -> Claim:
    mine, other = ([found.steps for found in _converged(results, method, share)] for method in ("opd", "rl"))
    return _more_of(
        "rl_later",
        f"RL converges later than OPD: it needs more steps to {share * 100:g} % of its own final accuracy.",
        "steps",
        mine,
        other,
    )


def _rollouts(results: Results, share: float) -> Claim:
    mine, other = ([found.sampled_tokens for found in _converged(results, method, share)] for method in ("opd", "rl"))
    return _more_of(
        "rl_rollouts",
        f"RL needs many rollouts: it samples more tokens than OPD to {share * 100:g} % of its own final accuracy.",
        "sampled tokens",
        mine,
        other,
    )


def _more_of(name: str, statement: str, cost: str, mine: Sequence[float], other: Sequence[float]) -> Claim:
    """Whether RL's cost (`other`) is above that of each replicate of OPD."""
    if not mine or not other:
        return Claim(name, statement, verdict([]), "RL and OPD were not both trained.", "learning_curves")
    against = median(other)
    ends = f" ({min(mine):,.0f}–{max(mine):,.0f})" if len(mine) > 1 else ""
    return Claim(
        name,
        statement,
        verdict([against > each for each in mine]),
        f"RL takes {against:,.0f} {cost} and OPD {median(mine):,.0f}{ends}, each at its own learning rate and "
        "batch size. Each replicate of OPD counts.",
        "learning_curves",
    )


def _ceiling(results: Results, apart: Parts) -> Claim:
    mine, other = (final_accuracy(results.of(method)) for method in ("opd", "rl"))
    checks: list[Check] = []
    said = "RL and OPD were not both trained"
    if mine and other:
        checks = [other.mean < run.final.accuracy for run in results.of("opd")]
        said = (
            f"RL ends at {other.mean:.3f} (interval {other.low:.3f}–{other.high:.3f}), OPD at {mine.mean:.3f} "
            f"(interval {mine.low:.3f}–{mine.high:.3f}; replicates {mine.smallest:.3f}–{mine.largest:.3f})"
        )
        if {"rl", "opd"} <= apart.keys():
            gap = between(apart["opd"], apart["opd"].ends[1], apart["rl"], apart["rl"].ends[1])
            checks.append(gap.low > 0)
            said += (
                f". Scored with the same random numbers, OPD minus RL is {gap.value:+.3f} "
                f"(paired interval {gap.low:+.3f} to {gap.high:+.3f})"
            )
        else:
            checks.append(None)
            said += ". Without interventions there is no paired interval"
    return Claim("rl_ceiling", "RL ends at a lower accuracy than OPD.", verdict(checks), f"{said}.", "learning_curves")


def _few_searches(results: Results, speedup: Speedup) -> Claim:
    rows = {row.replicate: row for row in speedup.replicates}
    plain = {run.replicate: run for run in results.of("opd")}
    checks: list[Check] = []
    searched, tried, shares = [], [], []
    for run in results.of("effopd"):
        checks.append(len(run.triggers) <= run.final.step.bit_length())  # 1, 2, 4, …: 1 + ⌊log₂ T⌋ of them
        searched.append(f"{len(run.triggers)} in {run.final.step} steps")
        tried.append(sum(len(trigger.candidates) for trigger in run.triggers))
        row = rows.get(run.replicate)
        if row is None or row.baseline is None:
            checks.append(None)
            shares.append("not compared")
            continue
        if row.method is None or row.method.steps >= row.baseline.steps:
            checks.append(False)
            shares.append("nothing saved")
            continue
        baseline = plain[run.replicate].final
        if run.validation_seconds is None or baseline.seconds is None:
            checks.append(None)
            shares.append("not timed")
            continue
        saved = (row.baseline.steps - row.method.steps) * baseline.seconds / baseline.step
        checks.append(run.validation_seconds <= TINY * saved)
        shares.append(f"{run.validation_seconds / saved * 100:.0f} %")
    return Claim(
        "few_searches",
        f"The search is cheap: 1 + log₂ T of them in T steps, whose validation takes at most {TINY * 100:g} % of the "
        "time of the training steps that it saves.",
        verdict(checks),
        f"Searches of the replicates: {', '.join(searched)}, with {', '.join(map(str, tried))} candidates. Seconds of "
        f"the whole run's validation over those of OPD's steps saved on the way to the target: {', '.join(shares)}."
        if searched
        else "EffOPD was not trained.",
        "candidates",
    )


def _validation_set(results: Results) -> Claim:
    """Never decided: what a trigger logs is one mean over all validation prompts."""
    scored = sum(1 + len(trigger.candidates) for run in results.of("effopd") for trigger in run.triggers)
    return Claim(
        "validation_set",
        "Easy, medium and hard validation prompts give consistent signals of which leap to keep.",
        verdict([]),
        f"EffOPD scored {scored} models on one set of validation prompts, and of each the mean over the whole set is "
        "stored: nothing tells easy prompts from hard ones."
        if scored
        else "EffOPD scored no candidates.",
        "candidates",
    )


def _ten_steps(results: Results) -> Claim:
    checks: list[Check] = []
    said = []
    for leaping, plain in _pairs(results):
        mine, other = accuracy_at(leaping, EARLY), accuracy_at(plain, LATE)
        known = mine is not None and other is not None
        checks.append(mine >= other if mine is not None and other is not None else None)
        said.append(f"{mine:.3f} against {other:.3f}" if known else "a run is shorter than that")
    return Claim(
        "ten_steps",
        f"After {EARLY} steps EffOPD is at least as accurate as OPD after {LATE}.",
        verdict(checks),
        f"EffOPD after {EARLY} against OPD after {LATE} steps, interpolated between checkpoints in the logarithm of "
        f"the step, in each replicate: {', '.join(said)}."
        if said
        else "There is no replicate of both.",
        "learning_curves",
    )


def _fourth_step(results: Results) -> Claim:
    goal = 1 - 0.5 * (1 - results.base.accuracy)
    found = [accuracy_at(run, STRONG_AT) for run in results.of("effopd")]
    known = [value for value in found if value is not None]
    return Claim(
        "fourth_step",
        f"EffOPD is strong by its step {STRONG_AT}: at most half of the base's errors are left.",
        verdict([None if value is None else value >= goal for value in found]),
        f"Accuracy after step {STRONG_AT} in each replicate: {', '.join(f'{value:.3f}' for value in known)}; half of "
        f"the base's errors are left at {goal:.3f}."
        if known
        else "EffOPD was not trained that long.",
        "learning_curves",
    )


def _same_end(results: Results) -> Claim:
    pairs = _pairs(results)
    gaps = [leaping.final.accuracy - plain.final.accuracy for leaping, plain in pairs]
    mine, other = (final_accuracy([pair[side] for pair in pairs]) for side in (0, 1))
    said = "There is no replicate of both."
    if mine and other:
        said = (
            f"EffOPD ends at {mine.mean:.3f} (interval {mine.low:.3f}–{mine.high:.3f}), OPD at {other.mean:.3f} "
            f"(interval {other.low:.3f}–{other.high:.3f}); in each replicate the difference is "
            f"{', '.join(f'{gap:+.3f}' for gap in gaps)}."
        )
    return Claim(
        "same_end",
        f"The speed-up costs no final accuracy: EffOPD ends at most {SAME} below OPD.",
        verdict([gap >= -SAME for gap in gaps]),
        said,
        "learning_curves",
    )


def accuracy_at(run: Run, step: int) -> float | None:
    """Accuracy after `step` steps, linear in log(step) between checkpoints; None beyond the last one."""
    for left, right in pairwise(run.curve):
        if left.step <= step <= right.step:
            if step in (left.step, right.step) or left.step == 0:  # no logarithm: flat up to the first checkpoint
                return right.accuracy if step == right.step else left.accuracy
            share = math.log(step / left.step) / math.log(right.step / left.step)
            return left.accuracy + share * (right.accuracy - left.accuracy)
    return None


def _converged(results: Results, method: str, share: float) -> list[Arrival]:
    """Where each run of a method first reaches a share of its own final accuracy."""
    found = [arrival(run, share * run.final.accuracy) for run in results.of(method)]
    return [one for one in found if one is not None]


def _pairs(results: Results) -> list[tuple[Run, Run]]:
    """EffOPD's and OPD's run of each replicate that both have."""
    plain = {run.replicate: run for run in results.of("opd")}
    return [(run, plain[run.replicate]) for run in results.of("effopd") if run.replicate in plain]
