"""A verdict for each claim of the document, computed from the measurements and worded by them alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from effopd.report.convergence import Speedup, median_bounds, outcome
from effopd.report.datasets import Benchmarked
from effopd.report.estimates import final_accuracy
from effopd.report.extrapolation import at_step, observations, signed
from effopd.report.mechanism import Parts
from effopd.report.mechanism_claims import mechanism_claims
from effopd.report.ratios import sentence
from effopd.report.results import Results
from effopd.report.training_claims import leap_claims, rl_claims
from effopd.report.update_claims import alignment_claims, small_update, spared_attention, table_claims
from effopd.report.verdicts import Check, Claim, verdict

THREEFOLD = 3.0
SCALES = (1.5e9, 32e9)  # parameters


def claims(
    results: Results,
    speedup: Speedup,
    target_share: float,
    apart: Parts,
    benchmarked: Sequence[Benchmarked] = (),
    confidence: float = 0.95,
) -> tuple[Claim, ...]:
    """All claims, in the order of the document. confidence: of the intervals over weight matrices."""
    return (
        _latent_ability(results),
        _strong_runs(results),
        *rl_claims(results, target_share, apart),
        small_update(results),
        *mechanism_claims(results, apart),
        spared_attention(results),
        *alignment_claims(results),
        *table_claims(results, confidence),
        _fewer_steps(speedup, target_share),
        _less_time(speedup),
        _best_rate(speedup, results),
        *leap_claims(results, speedup),
        _overshoot(results, apart),
        _every_scale(results, benchmarked),
    )


def _latent_ability(results: Results) -> Claim:
    base = results.base
    greedy = "was not decoded greedily" if base.greedy is None else f"in {base.greedy:.3f} when decoded greedily"
    return Claim(
        "latent_ability",
        "The base can solve the problems but usually does not: less than half at temperature 1, more if greedy.",
        verdict([base.high < 0.5, None if base.greedy is None else base.greedy > base.high]),
        f"The base is right in {base.accuracy:.3f} of samples at temperature 1 "
        f"(interval {base.low:.3f}–{base.high:.3f}) and {greedy}.",
        "learning_curves",
    )


def _strong_runs(results: Results) -> Claim:
    checks: list[Check] = []
    said = []
    for method, label in (("rl", "RL"), ("opd", "OPD")):
        if (found := final_accuracy(results.of(method))) is None:
            checks.append(None)
            said.append(f"{label} was not run")
            continue
        checks += [found.low > results.base.high, 1 - found.mean <= 0.5 * (1 - results.base.accuracy)]
        said.append(f"{label} ends at {found.mean:.3f} (interval {found.low:.3f}–{found.high:.3f})")
    return Claim(
        "strong_runs",
        "Reinforcement learning and on-policy distillation each leave at most half of the base's errors.",
        verdict(checks),
        f"{said[0]}, and {said[1]}; the base starts at {results.base.accuracy:.3f}.",
        "learning_curves",
    )


def _fewer_steps(speedup: Speedup, target_share: float) -> Claim:
    return Claim(
        "fewer_steps",
        f"EffOPD reaches {target_share * 100:g} % of OPD's final accuracy in at most a third of OPD's steps, "
        "both at the same learning rate.",
        verdict([_median(speedup, "steps", lambda x: x >= THREEFOLD), _median(speedup, "steps", lambda x: x > 1)]),
        sentence(speedup, "steps", "OPD's steps over EffOPD's")
        + (
            f" Counted at checkpoints, without interpolation, the median is {speedup.checkpoints:.2f}."
            if speedup.checkpoints is not None
            else ""
        ),
        "speedup",
    )


def _less_time(speedup: Speedup) -> Claim:
    checks = [_median(speedup, "wall", lambda x: x >= 1), _any_at_least(speedup, "wall", 1.0)]
    return Claim(
        "less_time",
        "EffOPD is not slower than OPD in wall time, with the validation of its candidates counted.",
        verdict(checks),
        sentence(speedup, "wall", "OPD's seconds over EffOPD's"),
        "speedup",
    )


def _best_rate(speedup: Speedup, results: Results) -> Claim:
    rates = sorted({run.learning_rate for run in (*results.of("opd"), *results.sweep)})
    best = sorted({row.best_rate for row in speedup.replicates if row.best_rate is not None})
    tried = f"Rates tried: {_listed(rates, ', ')}; fewest steps at {_listed(best, ' or ') or 'none'}."
    checks = [_median(speedup, name, lambda x: x > 1) for name in ("best_lr_steps", "best_lr_wall")]
    if not results.sweep:
        checks, tried = [None], "No other learning rate was tried."
    return Claim(
        "best_rate",
        "EffOPD is faster than OPD at the best of the learning rates tried, in steps and in wall time.",
        verdict(checks),
        sentence(speedup, "best_lr_steps", "Steps at the best rate over EffOPD's")
        + " "
        + sentence(speedup, "best_lr_wall", "In wall time, seconds over EffOPD's")
        + " "
        + tried,
        "speedup",
    )


def _overshoot(results: Results, apart: Parts) -> Claim:
    seen = observations(apart["opd"]) if "opd" in apart else ()
    tried = [(found, observed.progress) for observed in seen for found in observed.predictions]
    beyond = [
        f"{found.name} from {progress * 100:g} % ({signed(found.gap)}, at {found.length:.1f} times the length)"
        for found, progress in tried
        if found.overshoots
    ]
    checks: list[Check] = [bool(beyond)] if tried else []
    said = [
        f"Of {_count(len(tried), 'prediction')} of OPD's final weights, {len(beyond)} overshot"
        + (f": {', '.join(beyond)}" if beyond else "")
    ]
    for observed in seen:
        mine, other = (at_step(results, method, observed.step) for method in ("effopd", "opd"))
        if not mine or not other:
            checks.append(None)
            said.append(f"EffOPD has no checkpoint at step {observed.step}")
            continue
        leaping, plain = (fmean(point.accuracy for point in points) for points in (mine, other))
        checks.append(leaping >= plain)
        said.append(f"at step {observed.step} EffOPD has {leaping:.3f} and OPD {plain:.3f}")
    return Claim(
        "overshoot",
        "Fixed extrapolation of OPD sometimes overshoots: its update is longer than the final one, and less accurate "
        "than the checkpoint it starts from. EffOPD, which validates, is not behind OPD at the same step.",
        verdict(checks),
        f"{'; '.join(said)}." if tried else "Nothing was predicted from OPD's first checkpoints.",
        "extrapolation",
    )


def _every_scale(results: Results, benchmarked: Sequence[Benchmarked]) -> Claim:
    """Never reproduced: a pipeline trains models of one size, which can be outside the range or one of many in it."""
    smallest, largest = SCALES
    if results.paths is None:
        size, is_within = "unknown size", None
    else:
        parameters = results.paths.parameters
        is_within = smallest <= parameters <= largest
        place = "within" if is_within else ("below" if parameters < smallest else "above")
        size = f"{parameters:,} parameters, {place} that range,"
    problems = min(run.final.n for run in results.runs)
    sizes = {row.benchmark: row.problems for row in benchmarked}
    named = ", ".join(f"{name} ({problems} problems)" for name, problems in sizes.items())
    beside = f" and on {_count(len(sizes), 'benchmark')}: {named}" if sizes else ""
    return Claim(
        "every_scale",
        f"All of this holds from {smallest / 1e9:g}B to {largest / 1e9:g}B parameters and on seven benchmarks of "
        "mathematics, code and science.",
        "not testable at this scale" if is_within is False else "not measured",
        f"One model of {size} was trained here, and tested on one set of {problems} problems{beside}."
        + (" One size says nothing of the others." if is_within else ""),
        "benchmarks" if sizes else "spectral_table",
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _median(speedup: Speedup, name: str, holds: Callable[[float], bool]) -> Check:
    """Whether the median speed-up `holds`; one that never arrives holds nothing.

    None when that hangs on replicates that were not measured.
    """
    lowest, highest = (holds(end) for end in median_bounds(speedup.replicates, name))
    return lowest if lowest == highest else None


def _any_at_least(speedup: Speedup, name: str, goal: float) -> Check:
    found = [outcome(row, name) for row in speedup.replicates]
    if any(ratio is not None and ratio >= goal for ratio in found):
        return True
    return None if not found or None in found else False


def _listed(rates: Sequence[float], separator: str) -> str:
    return separator.join(f"{rate:g}" for rate in rates)
