"""Estimates from repeated samples of each problem. S scores of N problems: scores_NS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln


@dataclass(frozen=True)
class Estimate:
    """A mean over n problems with the bounds of its confidence interval."""

    mean: float
    low: float
    high: float
    n: int


def average_at_k(scores_NS: NDArray[np.float64]) -> float:
    """avg@k: the mean score of the k samples of each problem, averaged over problems."""
    return float(scores_NS.mean())


def pass_at_k(correct_N: NDArray[np.int64], samples: int, k: int) -> float:
    """Unbiased pass@k = mean over problems of 1 − C(n−c, k) / C(n, k), c of n samples right (arXiv 2107.03374, eq. 1).

    Raises ValueError when k is not in 1…n.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"pass@{k} needs at least {k} samples of each problem, there are {samples}")
    wrong_N = samples - correct_N
    log_failure_N = _log_choose(np.maximum(wrong_N, k), k) - _log_choose(np.asarray(samples), k)
    return float(np.where(wrong_N >= k, 1 - np.exp(log_failure_N), 1.0).mean())


def bootstrap(values_N: NDArray[np.float64], confidence: float, resamples: int, rng: np.random.Generator) -> Estimate:
    """Mean and percentile interval under resampling of problems: the samples of one problem are not independent."""
    n = len(values_N)
    means = values_N[rng.integers(0, n, (resamples, n))].mean(-1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(values_N.mean()), float(low), float(high), n)


def _log_choose(n: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
