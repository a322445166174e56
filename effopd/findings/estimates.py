"""Numbers of runs and of their updates that claims, captions and summary share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import NormalDist, fmean, median, stdev

from effopd.findings.results import Checkpoint, MatrixUpdate, Results, Run

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Interval:
    """A number with its interval, and its extremes over replicates.

    NaN for a share of nothing; a share may be defined and its interval not, where too many resamples gain nothing.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    smallest: float = math.nan
    largest: float = math.nan

    @property
    def reach(self) -> float:
        """How far from zero the interval comes."""
        return max(abs(self.low), abs(self.high))


def final_accuracy(runs: Sequence[Run]) -> Interval | None:
    return pooled([run.final for run in runs])


def pooled(points: Sequence[Checkpoint]) -> Interval | None:
    """The mean accuracy of one checkpoint of each replicate; None for none.

    low, high: the means of the replicates' bounds. All are scored on the same problems and resamples, so this is at
    least as wide as an interval for the mean would be. It tells of the problems, not of the training seed: that is what
    the extremes over replicates are for.
    """
    if not points:
        return None
    each = [point.accuracy for point in points]
    low, high = fmean(point.low for point in points), fmean(point.high for point in points)
    return Interval(fmean(each), low, high, min(each), max(each))


def accuracy_at(run: Run, step: int) -> float | None:
    """Accuracy after `step` steps, linear in log(step) between checkpoints; None beyond the last one."""
    for left, right in pairwise(run.curve):
        if left.step <= step <= right.step:
            if step in (left.step, right.step) or left.step == 0:  # no logarithm: flat up to the first checkpoint
                return right.accuracy if step == right.step else left.accuracy
            share = math.log(step / left.step) / math.log(right.step / left.step)
            return left.accuracy + share * (right.accuracy - left.accuracy)
    return None


def alignment_at(run: Run, progress: float) -> float | None:
    """Alignment with the final update at a share of training, linear in progress between checkpoints.

    None before the first checkpoint that has a direction (an update of nothing points nowhere), and without spectra.
    """
    return interpolated(aligned(run), progress)


def progress_at(run: Run, alignment: float) -> float | None:
    """The share of training at which alignment with the final update first reaches `alignment`, linear in between.

    None when the first checkpoint that has a direction is beyond it, so that nothing is known of when it was reached.
    """
    for (left, before), (right, after) in pairwise(aligned(run)):
        if before <= alignment <= after:
            return left if after == before else left + (right - left) * (alignment - before) / (after - before)
    return None


def aligned(run: Run) -> Points:
    """The shares of training at which the update has a direction, and its alignment with the final one."""
    rows = run.spectral.alignment if run.spectral else ()
    return [(row.progress, row.top_k_cosine) for row in rows if row.top_k_cosine is not None]


def share_of_update(run: Run, progress: float, is_counted: Callable[[MatrixUpdate, range], bool]) -> float | None:
    """The share of ‖ΔW‖² that some weight matrices hold at a share of training, linear between checkpoints.

    is_counted: told the middle half of the layers, too. None before the first checkpoint that moved, and when there is
    nothing to tell apart.
    """
    middle = middle_half(depth(run))
    squares: dict[int, list[float]] = {}
    for matrix in run.spectral.matrices if run.spectral else ():
        whole = squares.setdefault(matrix.step, [0.0, 0.0])
        whole[0] += matrix.update_norm**2
        whole[1] += matrix.update_norm**2 * is_counted(matrix, middle)
    shares = [(step / run.final.step, part / whole) for step, (whole, part) in sorted(squares.items()) if whole > 0]
    return interpolated(shares, progress)


def depth(run: Run) -> int:
    """Layers, as far as the run was decomposed or taken apart; 0 where nothing tells."""
    decomposed = [matrix.layer for matrix in run.spectral.matrices] if run.spectral else []
    return 1 + max(decomposed + [row.centre for row in run.interventions if row.centre is not None], default=-1)


def middle_half(layers: int) -> range:
    """Of the layers, counted from 0."""
    return range(layers // 4, layers - layers // 4)


def paired_over_matrices(
    mine: Sequence[Run], other: Sequence[Run], of: Callable[[MatrixUpdate], float | None], confidence: float
) -> tuple[Interval, int] | None:
    """A number of the final update of `mine` minus that of `other`, matrix by matrix, and how many matrices there are.

    Replicates are averaged first; the interval is normal. A matrix that one of the runs did not move is left out. None
    for fewer than two.
    """
    first, second = (_by_matrix(runs, of) for runs in (mine, other))
    gaps = [value - second[place] for place, value in first.items() if place in second]
    if len(gaps) < 2:
        return None
    return over_matrices(gaps, confidence), len(gaps)


def over_matrices(values: Sequence[float], confidence: float) -> Interval:
    """The mean of a number of each weight matrix, with a normal interval: whether the matrices agree.

    It tells nothing of the training seed. Two values or more.
    """
    mean = fmean(values)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * stdev(values) / len(values) ** 0.5
    return Interval(mean, mean - reach, mean + reach)


def as_accuracy(found: Interval) -> dict[str, float]:
    """The columns by which tables give an accuracy."""
    return {"accuracy": found.value, **{key: value for key, value in asdict(found).items() if key != "value"}}


def as_columns(name: str, found: Interval | None) -> dict[str, float | None]:
    """Columns NAME, NAME_low and NAME_high; None for what is not defined."""
    value, low, high = (None, None, None) if found is None else map(defined, (found.value, found.low, found.high))
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def defined(value: float) -> float | None:
    """None, which can be written to a file, for NaN."""
    return None if math.isnan(value) else value


def measured(runs: Iterable[Run], of: Callable[[Run], float | None]) -> list[float]:
    """A number of each run that has it."""
    return [value for run in runs if (value := of(run)) is not None]


def middle(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def top1_is_spectral(results: Results) -> bool:
    """Whether the top-1 % ratio says the same as the spectral/Frobenius ratio: so for matrices of rank ≤ 100."""
    found = [run.spectral for run in results.runs if run.spectral is not None]
    return bool(found) and all(one.top1_norm_ratio == one.spectral_frobenius_ratio for one in found)


def _by_matrix(runs: Sequence[Run], of: Callable[[MatrixUpdate], float | None]) -> dict[tuple[int, str], float]:
    """A number of the final update of each weight matrix that all runs moved, averaged over them."""
    found: dict[tuple[int, str], list[float | None]] = {}
    decomposed = [run.spectral for run in runs if run.spectral is not None]
    for spectral in decomposed:
        last = max((matrix.step for matrix in spectral.matrices), default=0)
        for matrix in spectral.matrices:
            if matrix.step == last:
                found.setdefault((matrix.layer, matrix.part), []).append(of(matrix))
    numbers = {place: [value for value in values if value is not None] for place, values in found.items()}
    return {place: fmean(values) for place, values in numbers.items() if len(values) == len(decomposed)}


def interpolated(points: Points, at: float) -> float | None:
    """The value at a place between two of the points, which ascend; None outside."""
    for place, value in points:
        if place == at:
            return value
    for (left, before), (right, after) in pairwise(points):
        if left < at < right:
            return before + (after - before) * (at - left) / (right - left)
    return None
