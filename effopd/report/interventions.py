"""Interventions on updates as the report sees them: rows with a score for each problem, and paired intervals.

All models are scored on the same problems with the same random numbers. So differences and shares are bootstrapped over
problems in pairs, which is much tighter than comparing two intervals. A method's replicates are averaged problem by
problem first: an interval tells of the problems drawn, the extremes over replicates tell of the training seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from effopd.files import DataError
from effopd.seeding import generator

SETTINGS = ("alpha", "progress", "step", "beta", "extrapolation", "kind", "centre", "half_width", "percent")


@dataclass(frozen=True)
class Intervened:
    """One model that an intervention yielded; the settings are those of `effopd.interventions.experiments`.

    scores: the mean score of each problem. low, high: an interval over problems.
    """

    experiment: str
    alpha: float | None
    progress: float | None
    step: int | None
    beta: float | None
    extrapolation: str | None
    kind: str | None
    centre: int | None
    half_width: int | None
    percent: float | None
    update_norm: float
    accuracy: float
    low: float
    high: float
    n: int
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Interval:
    """A number with its interval over problems, and its extremes over replicates.

    NaN for a share of nothing; a share may be defined and its interval not, where too many resamples gain nothing.
    """

    value: float
    low: float
    high: float
    smallest: float
    largest: float


def read_interventions(path: Path) -> tuple[Intervened, ...]:
    """The rows of one run. Raises `DataError` that names the file when it is missing, damaged or of another shape."""
    try:
        with pq.ParquetFile(path) as file:  # read_table would import pandas first
            rows = file.read().to_pylist()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not a readable parquet file ({str(error).splitlines()[0]})") from None
    columns = Intervened.__annotations__
    missing = [column for column in columns if not rows or column not in rows[0]]
    if missing:
        raise DataError(f"{path}: {missing[0]} is missing; run the stage that writes this file again")
    found = tuple(Intervened(**{key: row[key] for key in columns} | {"scores": tuple(row["scores"])}) for row in rows)
    if {len(row.scores) for row in found} != {found[0].n} or {0.0, 1.0} - {row.alpha for row in found}:
        raise DataError(f"{path}: expected base and trained model, each scored on {found[0].n} problems")
    return found


@dataclass(frozen=True)
class Apart:
    """One method taken apart: the interventions on each of its replicates."""

    replicates: tuple[tuple[Intervened, ...], ...]
    confidence: float
    resamples: int
    seed: int

    def __post_init__(self) -> None:
        sizes = {row.n for rows in self.replicates for row in rows}
        if len(sizes) > 1:
            raise DataError(f"interventions were scored on {sorted(sizes)} problems; run their stages again")

    def rows(self, experiment: str, **settings: Any) -> tuple[Intervened, ...]:
        """The first replicate's rows of an experiment with these settings, in order."""
        return tuple(row for row in self.replicates[0] if _is(row, experiment, settings))

    def update_norm(self, row: Intervened) -> float:
        """Distance from the base, averaged over replicates."""
        return float(np.mean([one.update_norm for one in self._each(row)]))

    def accuracy(self, row: Intervened) -> Interval:
        return self._interval(lambda scores: scores[0], [row])

    def difference(self, row: Intervened, other: Intervened) -> Interval:
        """Accuracy of `row` minus that of `other`."""
        return self._interval(lambda scores: scores[0] - scores[1], [row, other])

    def gained(self, row: Intervened) -> Interval:
        """The share of the training's gain over the base that `row` has; 1 is the trained model's."""
        return self._interval(lambda scores: _share(scores[0] - scores[1], scores[2] - scores[1]), [row, *self.ends])

    def kept(self, row: Intervened) -> Interval:
        """The accuracy of `row` over that of the trained model."""
        return self._interval(lambda scores: _share(scores[0], scores[2]), [row, *self.ends])

    def contrast(self, rows: Sequence[Intervened], weights: Sequence[float]) -> Interval:
        """A weighted sum of accuracies."""
        return self._interval(lambda scores: np.tensordot(weights, scores, axes=1), rows)

    def gain_per_length(self) -> Interval:
        """Accuracy gained over the base per unit of ‖ΔW‖, averaged over replicates; NaN for an update of nothing."""
        gains_RN = self.gains_per_length(self.ends[1])
        each_R = gains_RN.mean(axis=-1)
        low, high = self.bounds(self.resample(gains_RN.mean(axis=0)))
        return Interval(float(each_R.mean()), low, high, float(each_R.min()), float(each_R.max()))

    def gains_per_length(self, row: Intervened) -> NDArray[np.float64]:
        """Each problem's gain over the base per unit of the distance from it (replicates, N)."""
        base_RN, moved_RN = (self.scores(one) for one in (self.ends[0], row))
        norms_R = np.array([one.update_norm for one in self._each(row)])
        gains_RN: NDArray[np.float64] = _share(moved_RN - base_RN, np.broadcast_to(norms_R[:, None], base_RN.shape))
        return gains_RN

    def best_of(self, rows: Sequence[Intervened], others: Sequence[Intervened]) -> Interval:
        """The highest accuracy among `rows` minus that among `others`; which is highest, each resample says anew."""
        split = len(rows)
        return self._interval(lambda scores: scores[:split].max(axis=0) - scores[split:].max(axis=0), [*rows, *others])

    def scores(self, row: Intervened) -> NDArray[np.float64]:
        """Problem scores (replicates, N)."""
        return np.array([one.scores for one in self._each(row)])

    @property
    def ends(self) -> tuple[Intervened, Intervened]:
        """Base and trained model."""
        return self.rows("alpha", alpha=0.0)[0], self.rows("alpha", alpha=1.0)[0]

    def at_norm(self, norm: float) -> NDArray[np.float64]:
        """Problem scores (replicates, N) of W_base + αΔW at distance `norm`, linear between the αs measured.

        Raises ValueError for a norm beyond that of a trained model.
        """
        found = []
        for rows in self.replicates:
            line = sorted((row for row in rows if row.experiment == "alpha"), key=lambda row: row.update_norm)
            norms, scores = [row.update_norm for row in line], np.array([row.scores for row in line])
            if norm > norms[-1]:
                raise ValueError(f"norm {norm} lies beyond the trained model's, {norms[-1]}")
            right = max(1, int(np.searchsorted(norms, norm)))
            weight = (norm - norms[right - 1]) / (norms[right] - norms[right - 1])
            found.append((1 - weight) * scores[right - 1] + weight * scores[right])
        return np.stack(found)

    @property
    def reach(self) -> float:
        """The largest norm that every replicate's α-line covers."""
        return min(max(row.update_norm for row in rows if row.experiment == "alpha") for rows in self.replicates)

    def profile(self, rows: Sequence[Intervened]) -> NDArray[np.float64]:
        """Resampled accuracies (resamples, rows), replicates averaged; equal resamples for equal seeds and sizes."""
        return np.stack([self.resample(np.mean([one.scores for one in self._each(row)], axis=0)) for row in rows], -1)

    @cached_property
    def resampled(self) -> NDArray[np.int64]:
        """Indices of problems (resamples, N)."""
        n = self.replicates[0][0].n
        return generator(self.seed, "bootstrap").integers(0, n, (self.resamples, n))

    def bounds(self, values: NDArray[np.float64]) -> tuple[float, float]:
        """The percentile interval of resampled values.

        NaN once more of them than a tail holds are not defined: leaving these out would narrow the interval just where
        the data say least. Fewer are left out.
        """
        tail = (1 - self.confidence) / 2
        if np.isnan(values).mean() > tail:
            return math.nan, math.nan
        low, high = np.nanquantile(values, [tail, 1 - tail])
        return float(low), float(high)

    def resample(self, scores_N: NDArray[np.float64]) -> NDArray[np.float64]:
        """Means over the resampled problems."""
        return scores_N[self.resampled].mean(axis=-1)

    def _interval(self, statistic: Any, rows: Sequence[Intervened]) -> Interval:
        scores_WRN = np.array([[one.scores for one in self._each(row)] for row in rows])  # rows, replicates, problems
        each = [float(statistic(scores_WRN[:, r].mean(axis=-1))) for r in range(len(self.replicates))]
        pooled_WN = scores_WRN.mean(axis=1)
        low, high = self.bounds(statistic(np.stack([self.resample(scores_N) for scores_N in pooled_WN])))
        extremes = float(np.min(each)), float(np.max(each))  # NaN when a replicate's is not defined
        return Interval(float(statistic(pooled_WN.mean(axis=-1))), low, high, *extremes)

    def _each(self, row: Intervened) -> list[Intervened]:
        """The rows of all replicates with the settings of `row`."""
        wanted = {name: getattr(row, name) for name in SETTINGS}
        found = [[one for one in rows if _is(one, row.experiment, wanted)] for rows in self.replicates]
        if any(len(rows) != 1 for rows in found):
            raise DataError(f"{row.experiment} {wanted}: not measured once in every replicate; run the stages again")
        return [rows[0] for rows in found]


def defined(value: float) -> float | None:
    """None, which can be written to a file, for NaN."""
    return None if math.isnan(value) else value


def share_in_words(found: Interval) -> str:
    """A share in per cent with its interval, or that there is none."""
    if math.isnan(found.value):
        return "an undefined share"
    if math.isnan(found.low):
        return f"{per_cent(found.value)} (no interval: too many resamples have no gain to share)"
    return f"{per_cent(found.value)} (interval {per_cent(found.low)} to {per_cent(found.high)})"


def per_cent(share: float) -> str:
    return f"{share * 100:.0f} %"


def norm_matched(first: Apart, second: Apart, norm: float) -> Interval:
    """Accuracy of `first` minus that of `second`, both at distance `norm` from the base.

    The extremes are over pairs of replicates.
    """
    return _gap(first, first.at_norm(norm), second.at_norm(norm))


def between(first: Apart, row: Intervened, second: Apart, other: Intervened) -> Interval:
    """Accuracy of `row` of one method minus that of `other` of a second; the extremes are over pairs of replicates."""
    return _gap(first, first.scores(row), second.scores(other))


def density_gap(first: Apart, row: Intervened, second: Apart, other: Intervened) -> Interval:
    """As `between`, of the accuracy gained over the base per unit of ‖ΔW‖."""
    return _gap(first, first.gains_per_length(row), second.gains_per_length(other))


def _gap(first: Apart, mine_RN: NDArray[np.float64], other_RN: NDArray[np.float64]) -> Interval:
    """The difference of two methods' means over problems, replicates averaged, resampled as `first` does."""
    gaps_N = mine_RN.mean(axis=0) - other_RN.mean(axis=0)
    low, high = first.bounds(first.resample(gaps_N))
    each = mine_RN.mean(axis=1)[:, None] - other_RN.mean(axis=1)[None]
    return Interval(float(gaps_N.mean()), low, high, float(each.min()), float(each.max()))


def _is(row: Intervened, experiment: str, settings: dict[str, Any]) -> bool:
    return row.experiment == experiment and all(getattr(row, name) == value for name, value in settings.items())


def _share(part: Any, whole: Any) -> Any:
    """part / whole; NaN where there is no whole to have a share of."""
    whole = np.asarray(whole, dtype=float)
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)
