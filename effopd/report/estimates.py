"""Numbers that summary, claims, captions and figures share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import Literal

from effopd.report.results import MatrixUpdate, Results, Run, Spectral

Measure = Literal["top_k_cosine", "principal_angle"]


@dataclass(frozen=True)
class Estimate:
    """Accuracy of one model, or the mean over replicates, and an interval.

    low, high: for replicates, the mean of their bounds. All are scored on the same n problems and resamples, so this
    interval is at least as wide as one for the mean would be. It tells of the problems, not of the training seed:
    that is what smallest and largest, the extremes over replicates, are for.
    """

    mean: float
    low: float
    high: float
    n: int
    smallest: float
    largest: float


def final_accuracy(runs: Sequence[Run]) -> Estimate | None:
    """Accuracy at the last checkpoint, pooled over replicates; None for no runs."""
    if not runs:
        return None
    finals = [run.final for run in runs]
    return Estimate(
        mean=fmean(final.accuracy for final in finals),
        low=fmean(final.low for final in finals),
        high=fmean(final.high for final in finals),
        n=finals[0].n,
        smallest=min(final.accuracy for final in finals),
        largest=max(final.accuracy for final in finals),
    )


def alignment_at(spectral: Spectral, progress: float, measure: Measure) -> float | None:
    """Alignment with the final update at a share of training, linear in progress between checkpoints.

    None before the first checkpoint that has a direction: an update of nothing points nowhere.
    """
    points = [(row.progress, value) for row in spectral.alignment if (value := getattr(row, measure)) is not None]
    return _interpolated(points, progress)


def share_of_update(run: Run, progress: float, is_counted: Callable[[MatrixUpdate], bool]) -> float | None:
    """The share of ‖ΔW‖² that some weight matrices hold at a share of training, linear between checkpoints.

    None before the first checkpoint that moved, and when there is nothing to tell apart.
    """
    if run.spectral is None:
        return None
    squares: dict[int, list[float]] = {}
    for matrix in run.spectral.matrices:
        whole = squares.setdefault(matrix.step, [0.0, 0.0])
        whole[0] += matrix.update_norm**2
        whole[1] += matrix.update_norm**2 * is_counted(matrix)
    return _interpolated(
        [(step / run.final.step, part / whole) for step, (whole, part) in sorted(squares.items()) if whole > 0],
        progress,
    )


def progress_at(spectral: Spectral, alignment: float, measure: Measure) -> float | None:
    """The share of training at which alignment with the final update first reaches `alignment`, linear in between.

    None when the first checkpoint that has a direction is beyond it, so that nothing is known of when it was reached.
    """
    points = [(row.progress, value) for row in spectral.alignment if (value := getattr(row, measure)) is not None]
    for (left, before), (right, after) in pairwise(points):
        if before <= alignment <= after:
            return left if after == before else left + (right - left) * (alignment - before) / (after - before)
    return None


def _interpolated(points: Sequence[tuple[float, float]], at: float) -> float | None:
    """The value at a place between two of the points, which ascend; None outside."""
    for place, value in points:
        if place == at:
            return value
    for (left, before), (right, after) in pairwise(points):
        if left < at < right:
            return before + (after - before) * (at - left) / (right - left)
    return None


def measured(runs: Iterable[Run], value: Callable[[Spectral], float | None]) -> list[float]:
    """A spectral number of each run that has it."""
    found = [value(run.spectral) for run in runs if run.spectral is not None]
    return [number for number in found if number is not None]


def middle(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def top1_is_spectral(results: Results) -> bool:
    """Whether the top-1 % ratio says the same as the spectral/Frobenius ratio: so for matrices of rank ≤ 100."""
    found = [run.spectral for run in results.runs if run.spectral is not None]
    return bool(found) and all(one.top1_norm_ratio == one.spectral_frobenius_ratio for one in found)
