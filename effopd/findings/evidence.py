"""All that claims, figures and the summary are made from: the results, and by name what is read off them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from statistics import median

import numpy as np

from effopd.findings import words
from effopd.findings.convergence import Speedup, speedup
from effopd.findings.estimates import (
    Interval,
    accuracy_at,
    aligned,
    alignment_at,
    final_accuracy,
    measured,
    middle_half,
    paired_over_matrices,
    pooled,
    progress_at,
    top1_is_spectral,
)
from effopd.findings.extrapolation import OBSERVED, at_step, extrapolated
from effopd.findings.interventions import Apart, gap, norm_matched
from effopd.findings.measures import TABLE_1, label_of
from effopd.findings.results import Benchmarked, Results
from effopd.findings.validation import decisions_of_thirds

BEST_BETA, NEAR = (0.8, 1.2), 0.1
LEADING = 10.0  # per cent of the components
EARLY, ALIGNED, LATE = 0.1, 0.72, 0.6
"""OPD's alignment in the document and its share of training, and that before which RL is not as aligned: 60–70 %."""


@dataclass(frozen=True)
class Reading:
    """One thing that was measured, as a number (NaN: not measured, or not defined) and in words.

    method: of which it is, where methods stand side by side.
    """

    number: Interval
    words: str
    method: str = ""


Named = Iterator[tuple[str, Reading]]


@dataclass(frozen=True)
class Evidence:
    """Results and how they are judged.

    target_share: of OPD's final accuracy; who has reached it has converged. confidence, resamples: of intervals.
    """

    results: Results
    target_share: float
    confidence: float
    resamples: int
    seed: int
    benchmarked: tuple[Benchmarked, ...] = ()

    @cached_property
    def speedup(self) -> Speedup:
        """EffOPD's over OPD."""
        return speedup(self.results, self.target_share)

    @cached_property
    def speedup_free(self) -> Speedup:
        """Over OPD, of the EffOPD that finds its own rate."""
        return speedup(self.results, self.target_share, method="effopd-free")

    @cached_property
    def apart(self) -> dict[str, Apart]:
        """The methods whose replicates were all taken apart, in the order of the results."""
        found = {}
        for method in self.results.methods:
            runs = self.results.of(method)
            if runs and all(run.interventions for run in runs):
                each = tuple(run.interventions for run in runs)
                found[method] = Apart(each, self.confidence, self.resamples, self.seed)
        return found

    @cached_property
    def readings(self) -> dict[str, list[Reading]]:
        """By name; several are of replicates, of methods or of places. What was not measured at all is not there."""
        found: dict[str, list[Reading]] = {}
        for read in (_accuracies, _updates, _leaps, _parts, _beta, _opd_minus_rl, _extrapolation):
            for name, reading in read(self):
                found.setdefault(name, []).append(reading)
        return found

    def told(self, name: str) -> str:
        """All readings of a name, in words."""
        return ", ".join(reading.words for reading in self.readings.get(name, ()))


def _read(found: Interval | float | None, form: str, method: str = "", where: str = "") -> Reading:
    """where: what tells it from its neighbours, beside its method."""
    if found is None:
        number, said = Interval(math.nan), words.UNMEASURED
    elif isinstance(found, Interval):
        number, said = found, words.interval(found, form)
    else:
        number, said = Interval(found), words.written(found, form)
    return Reading(number, " ".join(filter(None, (said, method and f"in {label_of(method)}", where))), method)


def _accuracies(evidence: Evidence) -> Named:
    """Of the base, at the end and on the way; learning rates."""
    results = evidence.results
    yield "base", _read(pooled([results.base]), ".3f")
    yield "upper_end_of_base", _read(results.base.high, ".3f")
    yield "base_greedy", _read(results.base.greedy, ".3f")
    yield "half_of_the_errors", _read(1 - 0.5 * (1 - results.base.accuracy), ".3f")
    for method in dict.fromkeys(("rl", "opd", *results.methods)):
        if end := final_accuracy(runs := results.of(method)):
            extremes = f"(replicates {end.smallest:.3f}–{end.largest:.3f})" if len(runs) > 1 else ""
            yield "end", _read(end, ".3f", method, extremes)
        else:
            yield "end", Reading(Interval(math.nan), f"{label_of(method)} was not run", method)
    plain = {run.replicate: run for run in results.of("opd")}
    for run in results.of("effopd"):
        yield "effopd_after_4_steps", _read(accuracy_at(run, 4), ".3f")
        if other := plain.get(run.replicate):
            yield "effopd_end_minus_opds", _minus(run.final.accuracy, other.final.accuracy)
            yield "effopd_after_10_minus_opd_after_35_steps", _minus(accuracy_at(run, 10), accuracy_at(other, 35))
    for rate in sorted({run.learning_rate for run in (*results.of("opd"), *results.sweep)}):
        yield "rates", _read(rate, "g")
    for rate in sorted({row.best_rate for row in evidence.speedup.replicates if row.best_rate is not None}):
        yield "best_rates", _read(rate, "g")


def _minus(mine: float | None, other: float | None) -> Reading:
    if mine is None or other is None:
        return Reading(Interval(math.nan), "a run is shorter than that")
    return _read(mine - other, "+.3f", where=f"({mine:.3f} against {other:.3f})")


def _updates(evidence: Evidence) -> Named:
    """Alignment with the final update, and rows of Table 1 over weight matrices, OPD's minus RL's."""
    opd, rl = (evidence.results.of(method) for method in ("opd", "rl"))
    early = measured(opd, lambda run: alignment_at(run, EARLY))
    for level in early:
        yield "opd_early_alignment", _read(level, ".3f")
    for progress in measured(opd, lambda run: progress_at(run, ALIGNED)):
        yield "opd_aligned_at", _read(progress, ".0%")
    first = min((points[0][0] for run in rl if (points := aligned(run))), default=math.nan)
    for level in early:
        shares = [share for run in rl if (share := progress_at(run, level)) is not None]
        if shares:
            yield "rl_as_aligned_at", _read(median(shares), ".0%")
        elif not math.isnan(first):  # beyond it by its first checkpoint: known to be early only if that is
            at = Interval(first if first < LATE else math.nan)
            yield "rl_as_aligned_at", Reading(at, "before its first checkpoint")
    for field, measure in TABLE_1.items():
        if found := paired_over_matrices(opd, rl, attrgetter(field), evidence.confidence):
            difference, matrices = found
            where = f"over {matrices} weight matrices"
            yield f"opd_minus_rl_{field}", _read(difference, f"+{measure.form}", where=where)
    if top1_is_spectral(evidence.results):
        yield "one_component", Reading(Interval(1.0), "1 % of the ranks of these matrices is one")


def _leaps(evidence: Evidence) -> Named:
    """What EffOPD's search costs, and whether it hangs on the prompts that it is scored on.

    thirds_agree: the share of searches in which a third of the validation prompts keeps what all of them keep.
    searches: by how many more than 1 + ⌊log₂ T⌋ there are, the number of triggers 1, 2, 4, … in T steps.
    validation_over_saved: processor seconds of all searches over those of OPD's steps that are saved on the way to the
    target.
    """
    for third, searches, same, ties in decisions_of_thirds(evidence.results.of("effopd")):
        said = f"{same / searches:.0%} of {searches} searches by the {third}, {ties} of them with a tie"
        yield "thirds_agree", Reading(Interval(same / searches), said.replace("%", " %"))
    rows = {row.replicate: row for row in evidence.speedup.replicates}
    ends = {run.replicate: run.final for run in evidence.results.of("opd")}
    for run in evidence.results.of("effopd"):
        tried = sum(len(trigger.candidates) for trigger in run.triggers)
        more = Interval(len(run.triggers) - run.final.step.bit_length())
        yield "searches", Reading(more, f"{len(run.triggers)} in {run.final.step} steps with {tried} candidates")
        row, end = rows.get(run.replicate), ends.get(run.replicate)
        name = "validation_over_saved"
        if row is None or row.baseline is None or end is None:
            yield name, Reading(Interval(math.nan), "not compared")
            continue
        saved = 0.0 if row.method is None else (row.baseline["steps"] or 0.0) - (row.method["steps"] or 0.0)
        if saved <= 0:
            yield name, Reading(Interval(math.inf), "nothing saved")
        elif run.search_cpu_seconds is None or end.cpu_seconds is None:
            yield name, Reading(Interval(math.nan), "not timed")
        else:
            yield name, _read(run.search_cpu_seconds / (saved * end.cpu_seconds / end.step), ".0%")


def _parts(evidence: Evidence) -> Named:
    """Each method taken apart."""
    for method, one in evidence.apart.items():
        lengths = " and ".join(f"{one.update_norm(row):.3g}" for row in (one.mlp, one.attention))
        difference = one.difference(one.mlp, one.attention)
        yield "mlp_minus_attention", _read(difference, "+.3f", method, f"(at lengths {lengths})")
        yield "base_embeddings", _read(one.difference(one.row("embedding"), one.trained), "+.3f", method)
        early = f"at {(one.stretched.progress or 0) * 100:g} % of training"
        yield "stretched_recovers", _read(one.kept(one.stretched), ".0%", method, early)
        yield "stretched_gains", _read(one.gained(one.stretched), ".0%", method)
        yield "stretched_adds", _read(one.difference(one.stretched, one.early), "+.3f", method)
        for row in one.rows("top"):
            if (row.percent or 100) <= LEADING:
                name = "kept_by_leading" if row.percent == LEADING else "kept_by_fewer"
                yield name, _read(one.kept(row), ".0%", method, f"by {row.percent:g} %")
        windows = one.rows("window", kind="mlp")
        inner = [row.centre in middle_half(len(windows)) for row in windows]
        if any(inner) and not all(inner):
            contrast = one.contrast(windows, [1 / sum(inner) if is_in else -1 / inner.count(False) for is_in in inner])
            best = max(windows, key=lambda row: one.accuracy(row).value)
            most = f"(most at layer {best.centre} of {len(windows)})"
            yield "middle_minus_rest", _read(contrast, "+.3f", method, most)


def _beta(evidence: Evidence) -> Named:
    """OPD's early update, stretched by β: its accuracies, and the best in the document's range against that outside."""
    if (one := evidence.apart.get("opd")) is None:
        return
    line, (low, high) = one.beta_line, BEST_BETA
    for row in line:
        yield "by_beta", _read(one.accuracy(row).value, ".3f", where=f"at {row.beta:g}")
    if is_bracketed([row.beta or 0 for row in line], BEST_BETA):
        inside = [row for row in line if low <= (row.beta or 0) <= high]
        yield "best_beta", _read(one.best_of(inside, [row for row in line if row not in inside]), "+.3f")
    else:
        said = f"that takes values within {NEAR:g} of {low:g} and of {high:g}, on both sides of each"
        yield "best_beta", Reading(Interval(math.nan), said)


def is_bracketed(values: Sequence[float], ends: tuple[float, float]) -> bool:
    """Whether values lie close to each end of a range, on both sides: only these can tell where the best one is."""
    low, high = ends
    slack = NEAR + 1e-9
    return (
        any(low - slack <= value < low for value in values)
        and any(low <= value <= low + slack for value in values)
        and any(high - slack <= value <= high for value in values)
        and any(high < value <= high + slack for value in values)
    )


def _opd_minus_rl(evidence: Evidence) -> Named:
    """Differences of the two on the same problems with the same random numbers, and how alike their windows are."""
    if not {"opd", "rl"} <= evidence.apart.keys():
        return
    opd, rl = evidence.apart["opd"], evidence.apart["rl"]
    yield "opd_end_minus_rls", _read(gap(opd, opd.scores(opd.trained), rl.scores(rl.trained)), "+.3f")
    for share, (_, found) in norm_matched(evidence.apart).items():
        where = f"at {share * 100:g} % of the shorter update's length"
        yield "opd_minus_rl_at_equal_length", _read(found, "+.3f", where=where)
    mine, other = ({row.alpha: row for row in one.rows("alpha") if row.alpha} for one in (opd, rl))
    for alpha in sorted(mine.keys() & other.keys()):
        found = gap(opd, opd.gains_per_length(mine[alpha]), rl.gains_per_length(other[alpha]))
        yield "opd_minus_rl_gain_per_length", _read(found, "+.3f", where=f"at α = {alpha:g}")
    scores_MWN = [np.array([one.scores(row).mean(axis=0) for row in one.rows("window")]) for one in (opd, rl)]
    value = correlation(*(scores_WN.mean(axis=-1) for scores_WN in scores_MWN))
    bounds = opd.bounds(correlation(*(scores_WN[:, opd.resampled].mean(axis=-1).T for scores_WN in scores_MWN)))
    yield "correlation_of_windows", _read(Interval(float(value), *bounds), ".2f")


def correlation(first_RW: np.ndarray, second_RW: np.ndarray) -> np.ndarray:
    """Pearson's r over the last axis; NaN where one does not vary."""
    first_RW, second_RW = (x - x.mean(axis=-1, keepdims=True) for x in (first_RW, second_RW))
    norms_R = np.linalg.norm(first_RW, axis=-1) * np.linalg.norm(second_RW, axis=-1)
    return np.where(norms_R > 0, (first_RW * second_RW).sum(axis=-1) / np.where(norms_R > 0, norms_R, 1.0), np.nan)


def _extrapolation(evidence: Evidence) -> Named:
    """How many predictions of OPD's final weights overshoot; EffOPD against OPD at the steps from which they start."""
    if "opd" not in evidence.apart:
        return
    found = list(extrapolated(evidence.results, "opd", evidence.apart["opd"]))
    tried = [one for one in found if one.gap and one.weights != OBSERVED]
    beyond = [
        f"{one.weights} from {one.progress * 100:g} % at {one.length:.1f} times the length, "
        f"{words.interval(one.gap, '+.3f')}"
        for one in tried
        if one.gap and one.overshoots
    ]
    if tried:
        said = f"{len(beyond)} of {len(tried)}" + (f": {'; '.join(beyond)}" if beyond else "")
        yield "overshooting", Reading(Interval(len(beyond)), said)
    for step in (one.step for one in found if one.weights == OBSERVED):
        mine, other = (pooled(at_step(evidence.results, method, step)) for method in ("effopd", "opd"))
        if mine and other:
            said = f"{mine.value:.3f} against {other.value:.3f} at step {step}"
            yield "effopd_minus_opd_at_start", Reading(Interval(mine.value - other.value), said)
        else:
            yield "effopd_minus_opd_at_start", Reading(Interval(math.nan), f"no checkpoint at step {step}")
