"""Paired intervals against a second implementation, and exact values on planted scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from planted_world import World

from effopd.files import DataError
from effopd.findings import words
from effopd.findings.estimates import defined
from effopd.findings.interventions import Apart, gap, norm_matched
from effopd.findings.results import Intervened


def row(
    scores: list[float], alpha: float | None = None, update_norm: float = 1.0, kind: str | None = None
) -> Intervened:
    settings = dict.fromkeys(("progress", "step", "beta", "extrapolation", "centre", "half_width", "percent"))
    experiment = "modules" if kind else "alpha"
    return Intervened(
        experiment, alpha=alpha, kind=kind, update_norm=update_norm, accuracy=float(np.mean(scores)),
        low=0.0, high=1.0, n=len(scores), scores=tuple(scores), **settings,
    )  # fmt: skip


def random_apart(replicates: int = 3, n: int = 40) -> Apart:
    rng = np.random.default_rng(0)
    runs = []
    for _ in range(replicates):
        draws = [rng.integers(lowest, 3, n) / 2 for lowest in (0, 1, 0, 0)]  # the trained model gains
        base, trained, mlp, attention = (draw.tolist() for draw in draws)
        runs.append((row(base, 0.0, 0.0), row(trained, 1.0), row(mlp, kind="mlp"), row(attention, kind="attention")))
    return Apart(tuple(runs), confidence=0.9, resamples=500, seed=7)


def test_differences_are_resampled_in_pairs_over_problems() -> None:
    one = random_apart()
    mlp, attention = one.mlp, one.attention
    found = one.difference(mlp, attention)
    gaps = np.mean([np.array(run[2].scores) - np.array(run[3].scores) for run in one.replicates], axis=0)
    means = [gaps[indices].mean() for indices in one.resampled]
    assert found.value == pytest.approx(gaps.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])))
    each = [run[2].accuracy - run[3].accuracy for run in one.replicates]
    assert (found.smallest, found.largest) == pytest.approx((min(each), max(each)))


def test_the_best_of_two_groups_is_chosen_anew_in_each_resample() -> None:
    one = random_apart()
    rows = one.replicates[0]
    found = one.best_of(rows[:2], rows[2:])
    base, trained, mlp, attention = (np.mean([run[i].scores for run in one.replicates], axis=0) for i in range(4))
    gaps = [max(base[i].mean(), trained[i].mean()) - max(mlp[i].mean(), attention[i].mean()) for i in one.resampled]
    assert found.value == pytest.approx(max(base.mean(), trained.mean()) - max(mlp.mean(), attention.mean()))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(gaps, [0.05, 0.95])))


def test_two_methods_are_compared_in_pairs_over_problems() -> None:
    first, second = random_apart(3), random_apart(2)
    found = gap(first, first.scores(first.trained), second.scores(second.base))
    gaps = np.mean([run[1].scores for run in first.replicates], axis=0)
    gaps = gaps - np.mean([run[0].scores for run in second.replicates], axis=0)
    means = [gaps[i].mean() for i in first.resampled]
    assert found.value == pytest.approx(gaps.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])))


def test_shares_are_ratios_of_resampled_means() -> None:
    one = random_apart()
    mlp = one.mlp
    found = one.gained(mlp)
    base, trained, part = (np.mean([run[i].scores for run in one.replicates], axis=0) for i in range(3))
    assert found.value == pytest.approx((part.mean() - base.mean()) / (trained.mean() - base.mean()))
    gains = np.array([trained[i].mean() - base[i].mean() for i in one.resampled])
    parts = np.array([part[i].mean() - base[i].mean() for i in one.resampled])
    shares = (parts / np.where(gains > 0, gains, np.nan))[gains > 0]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(shares, [0.05, 0.95])))


def test_gains_are_divided_by_each_replicates_own_length() -> None:
    rng = np.random.default_rng(1)
    base, first, second = (rng.integers(0, 2, 30).astype(float).tolist() for _ in range(3))
    runs = [(row(base, 0.0, 0.0), row(trained, 1.0, length)) for trained, length in ((first, 2.0), (second, 0.5))]
    one = Apart(tuple(runs), confidence=0.9, resamples=400, seed=3)
    found = one.gain_per_length()
    each = [(np.array(trained) - base) / length for trained, length in ((first, 2.0), (second, 0.5))]
    means = [np.mean(each, axis=0)[i].mean() for i in one.resampled]
    assert found.value == pytest.approx(np.mean(each))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])))
    assert (found.smallest, found.largest) == pytest.approx(tuple(sorted(e.mean() for e in each)))
    still = Apart(((row(base, 0.0, 0.0), row(base, 1.0, 0.0)),), 0.9, 10, 3)
    assert np.isnan(still.gain_per_length().value)


def test_a_share_of_no_gain_is_not_a_number_and_not_written() -> None:
    still = Apart(((row([0.5] * 4, 0.0, 0.0), row([0.5] * 4, 1.0), row([1.0] * 4, kind="mlp")),), 0.95, 50, 1)
    share = still.gained(still.mlp)
    assert np.isnan(share.value) and defined(share.value) is None and np.isnan(share.low)


def test_a_share_of_a_gain_that_resamples_lose_has_no_interval() -> None:
    """One problem of eight lost and two won: more than a fifth of the resamples gain nothing."""
    base, trained = [1.0, 0.0, 0.0, *[0.0] * 5], [0.0, 1.0, 1.0, *[0.0] * 5]
    slight = Apart(((row(base, 0.0, 0.0), row(trained, 1.0), row(trained, kind="mlp")),), 0.9, 2000, 1)
    gains = np.array(trained)[slight.resampled].mean(axis=-1) - np.array(base)[slight.resampled].mean(axis=-1)
    assert (gains <= 0).mean() > 0.2
    found = slight.gained(slight.mlp)
    assert found.value == 1.0 and np.isnan([found.low, found.high]).all()
    assert words.interval(found, ".0%") == "100 % (no interval: too many resamples have no gain to share)"
    wider = Apart(slight.replicates, confidence=0.1, resamples=2000, seed=1)  # a tail of 45 % holds them
    found = wider.gained(wider.mlp)
    assert words.interval(found, ".0%") == "100 % (interval 100 % to 100 %)"


def test_a_replicate_without_a_gain_leaves_the_range_of_shares_open() -> None:
    gains, still = ([row([0.0] * 4, 0.0, 0.0), row([end] * 4, 1.0), row([1.0] * 4, kind="mlp")] for end in (1.0, 0.0))
    for runs in ((gains, still), (still, gains)):
        found = (one := Apart(tuple(map(tuple, runs)), 0.95, 50, 1)).gained(one.mlp)
        assert found.value == 2.0 and np.isnan([found.smallest, found.largest]).all()


def test_equal_lengths_are_compared_on_the_line_between_measured_ones(tmp_path: Path) -> None:
    """RL's update is twice as long, both rise from 0.4 to 1."""
    apart = World(tmp_path).evidence().apart
    opd, rl = apart["opd"], apart["rl"]
    assert opd.reach == 2.0
    for share, expected in ((0.25, 0.075), (0.5, 0.15), (1.0, 0.3)):
        norm, found = norm_matched(apart)[share]
        assert norm == 2.0 * share and found.value == pytest.approx(expected)
    assert gap(opd, opd.at_norm(0.0), rl.at_norm(0.0)).value == 0.0
    with pytest.raises(ValueError, match=r"norm 2\.1 lies beyond the trained model's, 2\.0"):
        opd.at_norm(2.1)
    assert norm_matched({"opd": opd}) == {}


def test_equal_lengths_average_replicates_of_different_lengths_problem_by_problem() -> None:
    rng = np.random.default_rng(2)

    def line(length: float) -> tuple[Intervened, ...]:
        ends = ((0.0, 0.0), (1.0, length), (0.5, length / 2))
        return tuple(row(rng.integers(0, 3, 30).tolist(), alpha, norm) for alpha, norm in ends)

    first = Apart((line(2.0), line(4.0)), confidence=0.9, resamples=300, seed=5)
    second = Apart((line(3.0),), confidence=0.9, resamples=300, seed=5)
    found = gap(first, first.at_norm(1.0), second.at_norm(1.0))

    def at_one(run: tuple[Intervened, ...]) -> np.ndarray:
        base, _, half = (np.array(one.scores) for one in run)
        return base + (half - base) / run[2].update_norm

    mine, other = [at_one(run) for run in first.replicates], at_one(second.replicates[0])
    gaps = (mine[0] + mine[1]) / 2 - other
    means = [gaps[indices].mean() for indices in first.resampled]
    assert found.value == pytest.approx(gaps.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])))
    each = sorted(one.mean() - other.mean() for one in mine)
    assert (found.smallest, found.largest) == pytest.approx(tuple(each))


def test_a_window_that_one_replicate_lacks_is_named() -> None:
    one = random_apart()
    lacking = Apart((one.replicates[0], one.replicates[1][:-1]), 0.95, 10, 1)
    with pytest.raises(DataError, match=r"modules .*'kind': 'attention'.*not measured once in every replicate"):
        lacking.accuracy(lacking.attention)
