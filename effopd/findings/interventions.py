"""Methods taken apart: paired intervals on what interventions on their updates yield.

All models are scored on the same problems with the same random numbers. So differences and shares are bootstrapped over
problems in pairs, which is much tighter than comparing two intervals. A method's replicates are averaged problem by
problem first: an interval tells of the problems drawn, the extremes over replicates tell of the training seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effopd.files import DataError
from effopd.findings.estimates import Interval
from effopd.findings.results import Intervened
from effopd.seeding import generator

SETTINGS = ("alpha", "progress", "step", "beta", "extrapolation", "kind", "centre", "half_width", "percent")
NORM_SHARES = (0.25, 0.5, 1.0)
"""At which shares of the shortest update's length methods are compared."""


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

    def row(self, experiment: str, **settings: Any) -> Intervened:
        """The first of `rows`."""
        return self.rows(experiment, **settings)[0]

    @property
    def base(self) -> Intervened:
        return self.row("alpha", alpha=0.0)

    @property
    def trained(self) -> Intervened:
        return self.row("alpha", alpha=1.0)

    @property
    def mlp(self) -> Intervened:
        """With the update of the MLPs alone."""
        return self.row("modules", kind="mlp")

    @property
    def attention(self) -> Intervened:
        return self.row("modules", kind="attention")

    @property
    def early(self) -> Intervened:
        """The first checkpoint that was rescaled, as it is."""
        return self.row("rescaling", beta=0.0)

    @property
    def stretched(self) -> Intervened:
        """The same with the final norms."""
        return self.row("rescaling", beta=1.0)

    @property
    def beta_line(self) -> list[Intervened]:
        """The same at every β."""
        return sorted(self.rows("rescaling", progress=self.early.progress), key=lambda row: row.beta or 0)

    @property
    def reach(self) -> float:
        """The largest norm that every replicate's α-line covers."""
        return min(max(row.update_norm for row in rows if row.experiment == "alpha") for rows in self.replicates)

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
        rows = [row, self.base, self.trained]
        return self._interval(lambda scores: _share(scores[0] - scores[1], scores[2] - scores[1]), rows)

    def kept(self, row: Intervened) -> Interval:
        """The accuracy of `row` over that of the trained model."""
        return self._interval(lambda scores: _share(scores[0], scores[1]), [row, self.trained])

    def contrast(self, rows: Sequence[Intervened], weights: Sequence[float]) -> Interval:
        """A weighted sum of accuracies."""
        return self._interval(lambda scores: np.tensordot(weights, scores, axes=1), rows)

    def best_of(self, rows: Sequence[Intervened], others: Sequence[Intervened]) -> Interval:
        """The highest accuracy among `rows` minus that among `others`; which is highest, each resample says anew."""
        split = len(rows)
        return self._interval(lambda scores: scores[:split].max(axis=0) - scores[split:].max(axis=0), [*rows, *others])

    def gain_per_length(self) -> Interval:
        """Accuracy gained over the base per unit of ‖ΔW‖, averaged over replicates; NaN for an update of nothing."""
        gains_RN = self.gains_per_length(self.trained)
        each_R = gains_RN.mean(axis=-1)
        bounds = self.bounds(self.resample(gains_RN.mean(axis=0)))
        return Interval(float(each_R.mean()), *bounds, float(each_R.min()), float(each_R.max()))

    def gains_per_length(self, row: Intervened) -> NDArray[np.float64]:
        """Each problem's gain over the base per unit of the distance from it (replicates, N)."""
        base_RN, moved_RN = (self.scores(one) for one in (self.base, row))
        norms_R = np.array([one.update_norm for one in self._each(row)])
        gains_RN: NDArray[np.float64] = _share(moved_RN - base_RN, np.broadcast_to(norms_R[:, None], base_RN.shape))
        return gains_RN

    def scores(self, row: Intervened) -> NDArray[np.float64]:
        """Problem scores (replicates, N)."""
        return np.array([one.scores for one in self._each(row)])

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

    @cached_property
    def resampled(self) -> NDArray[np.int64]:
        """Indices of problems (resamples, N); equal ones for equal seeds and sizes."""
        n = self.replicates[0][0].n
        return generator(self.seed, "bootstrap").integers(0, n, (self.resamples, n))

    def resample(self, scores_N: NDArray[np.float64]) -> NDArray[np.float64]:
        """Means over the resampled problems."""
        return scores_N[self.resampled].mean(axis=-1)

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

    def _interval(self, statistic: Any, rows: Sequence[Intervened]) -> Interval:
        scores_WRN = np.array([self.scores(row) for row in rows])  # rows, replicates, problems
        each = [float(statistic(scores_WRN[:, r].mean(axis=-1))) for r in range(len(self.replicates))]
        pooled_WN = scores_WRN.mean(axis=1)
        bounds = self.bounds(statistic(np.stack([self.resample(scores_N) for scores_N in pooled_WN])))
        extremes = float(np.min(each)), float(np.max(each))  # NaN when a replicate's is not defined
        return Interval(float(statistic(pooled_WN.mean(axis=-1))), *bounds, *extremes)

    def _each(self, row: Intervened) -> list[Intervened]:
        """The rows of all replicates with the settings of `row`."""
        wanted = {name: getattr(row, name) for name in SETTINGS}
        found = [[one for one in rows if _is(one, row.experiment, wanted)] for rows in self.replicates]
        if any(len(rows) != 1 for rows in found):
            raise DataError(f"{row.experiment} {wanted}: not measured once in every replicate; run the stages again")
        return [rows[0] for rows in found]


def gap(first: Apart, mine_RN: NDArray[np.float64], other_RN: NDArray[np.float64]) -> Interval:
    """The difference of two methods' means over problems, replicates averaged, resampled as `first` does.

    The extremes are over pairs of replicates.
    """
    gaps_N = mine_RN.mean(axis=0) - other_RN.mean(axis=0)
    each = mine_RN.mean(axis=1)[:, None] - other_RN.mean(axis=1)[None]
    bounds = first.bounds(first.resample(gaps_N))
    return Interval(float(gaps_N.mean()), *bounds, float(each.min()), float(each.max()))


def norm_matched(apart: Mapping[str, Apart]) -> dict[float, tuple[float, Interval]]:
    """OPD's accuracy minus RL's at the same distances from the base: by share of the shortest update's length.

    Nothing unless both were taken apart and all updates have a length.
    """
    opd, rl = apart.get("opd"), apart.get("rl")
    shortest = min((one.reach for one in apart.values()), default=0.0)
    if opd is None or rl is None or not shortest:
        return {}
    norms = {share: share * shortest for share in NORM_SHARES}
    return {share: (norm, gap(opd, opd.at_norm(norm), rl.at_norm(norm))) for share, norm in norms.items()}


def _is(row: Intervened, experiment: str, settings: dict[str, Any]) -> bool:
    return row.experiment == experiment and all(getattr(row, name) == value for name, value in settings.items())


def _share(part: Any, whole: Any) -> Any:
    """part / whole; NaN where there is no whole to have a share of."""
    whole = np.asarray(whole, dtype=float)
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)
