"""A verdict for each claim of the document, computed from the measurements and worded by them alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from effopd.report.convergence import Speedup, median_bounds, outcome
from effopd.report.datasets import Benchmarked
from effopd.report.estimates import alignment_at, final_accuracy, measured, middle, progress_at, top1_is_spectral
from effopd.report.mechanism import Parts
from effopd.report.mechanism_claims import mechanism_claims
from effopd.report.ratios import sentence
from effopd.report.results import Results, Run, Spectral
from effopd.report.verdicts import Check, Claim, verdict

THREEFOLD = 3.0
EARLY = (0.1, 0.2)
SCALES = (1.5e9, 32e9)  # parameters

Row = tuple[str, Callable[[Spectral], float | None], bool, str]
"""A number of the update: its name, where it is, whether OPD's should be the higher one, and its format."""


def claims(
    results: Results, speedup: Speedup, target_share: float, apart: Parts, benchmarked: Sequence[Benchmarked] = ()
) -> tuple[Claim, ...]:
    """All claims, in the order of the document."""
    return (
        _latent_ability(results),
        _strong_runs(results),
        _small_update(results),
        *mechanism_claims(results, apart),
        _early_alignment(results),
        _low_rank(results),
        _fewer_steps(speedup, target_share),
        _less_time(speedup),
        _best_rate(speedup, results),
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


def _early_alignment(results: Results) -> Claim:
    checks: list[Check] = []
    said = []
    for progress in EARLY:
        mine = _at(results.of("opd"), progress)
        other = middle(_at(results.of("rl"), progress))
        if not mine or other is None:
            checks.append(None)
            said.append(f"At {progress * 100:g} % of training there is no checkpoint to compare")
            continue
        checks += [value > other for value in mine]
        said.append(
            f"At {progress * 100:g} % of training OPD's alignment is {_spread(mine, '.3f')} and RL's {other:.3f}"
            + _caught_up(results, middle(mine))
        )
    return Claim(
        "early_alignment",
        "OPD's update points where it will end sooner than RL's does: alignment ahead at 10 % and at 20 % of training.",
        verdict(checks),
        ". ".join(said) + ". Each replicate of OPD counts.",
        "alignment",
    )


def _caught_up(results: Results, level: float | None) -> str:
    """When RL gets as far, as a clause; nothing where that is not known."""
    reached = measured(results.of("rl"), lambda s: None if level is None else progress_at(s, level, "top_k_cosine"))
    return f", which reaches as much at {middle(reached) or 0:.0%} of training".replace("%", " %") if reached else ""


def _low_rank(results: Results) -> Claim:
    rows: tuple[Row, ...] = (
        ("spectral/Frobenius ratio", lambda s: s.spectral_frobenius_ratio, True, ".3f"),
        ("effective rank", lambda s: s.effective_rank, False, ".1f"),
        ("top-1 % norm ratio", lambda s: s.top1_norm_ratio, True, ".3f"),
    )
    checks, said = _against_rl(results, rows)
    same = " Here the top-1 % ratio is the spectral/Frobenius ratio: 1 % of the ranks of these matrices is one."
    return Claim(
        "low_rank",
        "OPD's update is of lower rank than RL's: higher spectral/Frobenius ratio, lower effective rank, "
        "higher top-1 % norm ratio.",
        verdict(checks),
        said + (same if top1_is_spectral(results) else ""),
        "spectral_table",
    )


def _small_update(results: Results) -> Claim:
    rows: tuple[Row, ...] = (
        ("update norm", lambda s: s.total_update_norm, False, ".3g"),
        ("cosine of embeddings to the base", lambda s: s.embedding_cosine, True, ".5f"),
    )
    checks, said = _against_rl(results, rows)
    return Claim(
        "small_update",
        "OPD moves the weights less than RL: smaller update norm, embeddings closer to the base's.",
        verdict(checks),
        said,
        "norms",
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


def _against_rl(results: Results, rows: Sequence[Row]) -> tuple[list[Check], str]:
    """A check for each row and replicate of OPD: above (True) or below (False) RL's number."""
    checks: list[Check] = []
    said = []
    for label, value, is_higher, form in rows:
        mine, other = measured(results.of("opd"), value), middle(measured(results.of("rl"), value))
        if not mine or other is None:
            checks.append(None)
            said.append(f"{label} was not measured")
            continue
        checks += [(one > other) if is_higher else (one < other) for one in mine]
        said.append(f"{label} {_spread(mine, form)} against {other:{form}}")
    return checks, f"OPD against RL: {'; '.join(said)}."


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


def _at(runs: Sequence[Run], progress: float) -> list[float]:
    return measured(runs, lambda spectral: alignment_at(spectral, progress, "top_k_cosine"))


def _spread(values: Sequence[float], form: str) -> str:
    """Median and range over replicates."""
    extremes = f" ({min(values):{form}}–{max(values):{form}})" if len(values) > 1 else ""
    return f"{middle(values):{form}}{extremes}"


def _listed(rates: Sequence[float], separator: str) -> str:
    return separator.join(f"{rate:g}" for rate in rates)
