"""Estimates against enumeration of subsets and of resamples; grading that no batch size or sample count changes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from effopd.evaluation.accuracy import Graded, grade
from effopd.evaluation.curve import curve_row
from effopd.evaluation.statistics import average_at_k, bootstrap, pass_at_k
from effopd.params.evaluate import EvaluateParams
from effopd.rollout.policy import ModelPolicy

PARAMS = EvaluateParams(samples=4, pass_at=[1, 2, 4], batch_size=8, confidence=0.9, resamples=400)


@pytest.mark.parametrize("samples", [1, 2, 5, 7])
def test_pass_at_k_is_the_share_of_subsets_that_hold_a_right_answer(samples: int) -> None:
    for k in range(1, samples + 1):
        shares = []
        for correct in range(samples + 1):
            subsets = list(itertools.combinations([i < correct for i in range(samples)], k))
            shares.append(sum(map(any, subsets)) / len(subsets))
            assert pass_at_k(np.array([correct]), samples, k) == pytest.approx(shares[-1], abs=1e-12)
        assert pass_at_k(np.arange(samples + 1), samples, k) == pytest.approx(np.mean(shares))


def test_pass_at_k_of_many_samples_neither_overflows_nor_loses_digits() -> None:
    exact = 1 - math.comb(9000, 500) / math.comb(10000, 500)
    assert pass_at_k(np.array([1000]), 10000, 500) == pytest.approx(exact, abs=1e-9)
    small = 1 - math.comb(9999, 1) / math.comb(10000, 1)
    assert pass_at_k(np.array([1]), 10000, 1) == pytest.approx(small, rel=1e-6)


@pytest.mark.parametrize("k", [0, -1, 5])
def test_pass_at_k_beyond_the_samples_is_an_error(k: int) -> None:
    with pytest.raises(ValueError, match=f"pass@{k} needs"):
        pass_at_k(np.array([1]), 4, k)


@given(correct=st.lists(st.integers(0, 6), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_pass_at_one_is_the_average_and_pass_at_k_never_falls_with_k(correct: list[int]) -> None:
    counts = np.array(correct)
    values = [pass_at_k(counts, 6, k) for k in range(1, 7)]
    assert values[0] == pytest.approx(counts.mean() / 6)
    assert all(later >= earlier - 1e-12 for earlier, later in itertools.pairwise(values))
    assert values[-1] == pytest.approx((counts > 0).mean())


def test_avg_at_k_is_the_mean_over_all_samples() -> None:
    assert average_at_k(np.array([[1.0, 0.0], [1.0, 1.0]])) == 0.75


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_interval_of_equal_values_is_a_point() -> None:
    found = bootstrap(np.full(7, 0.3), 0.95, 50, rng())
    assert (found.mean, found.low, found.high) == pytest.approx((0.3, 0.3, 0.3)) and found.n == 7


@pytest.mark.parametrize("confidence", [0.3, 0.8, 0.99])
def test_the_interval_has_the_quantiles_of_all_resamples(confidence: float) -> None:
    """Three problems have 27 resamples: their means are enumerated, and 40,000 draws come close to their quantiles."""
    values = np.array([0.0, 0.25, 1.0])
    means = sorted(sum(row) / 3 for row in itertools.product(values, repeat=3))
    found = bootstrap(values, confidence, 40_000, rng())
    for bound, share in ((found.low, (1 - confidence) / 2), (found.high, (1 + confidence) / 2)):
        near = {means[min(26, max(0, math.ceil((share + shift) * 27) - 1))] for shift in (-0.01, 0.01)}
        assert min(near) - 1e-9 <= bound <= max(near) + 1e-9
    assert found.mean == pytest.approx(1.25 / 3)


def test_the_interval_of_many_problems_is_the_normal_one() -> None:
    values = (rng(1).random(400) < 0.3).astype(float)
    found = bootstrap(values, 0.95, 4000, rng(2))
    error = math.sqrt(values.mean() * (1 - values.mean()) / 400)
    assert found.mean == values.mean()
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.006)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.006)


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=12), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_intervals_lie_in_the_data_and_widen_with_confidence(values: list[float], seed: int) -> None:
    data = np.array(values)
    narrow, wide = (bootstrap(data, confidence, 200, rng(seed)) for confidence in (0.5, 0.95))
    assert data.min() - 1e-12 <= wide.low <= narrow.low <= narrow.high <= wide.high <= data.max() + 1e-12


def graded(samples: int, batch_size: int, seed: int = 3, greedy: bool = False) -> Graded:
    return grade(
        ModelPolicy(tiny.guesser(), tiny.tokenizer()),
        tiny.problems(7),
        samples=samples,
        greedy=greedy,
        seed=seed,
        max_new_tokens=tiny.LENGTH,
        batch_size=batch_size,
    )


@pytest.mark.parametrize("batch_size", [1, 5, 28, 1000])
def test_the_batch_size_changes_no_completion(batch_size: int) -> None:
    whole, pieces = graded(4, 28), graded(4, batch_size)
    assert pieces.texts == whole.texts
    for name in ("scores_NS", "lengths_NS", "truncated_NS"):
        assert np.array_equal(getattr(pieces, name), getattr(whole, name)), name


def test_more_samples_keep_the_first_ones() -> None:
    few, many = graded(2, 9), graded(5, 9)
    assert np.array_equal(many.scores_NS[:, :2], few.scores_NS)
    assert [many.texts[p * 5 + s] for p in range(7) for s in range(2)] == few.texts
    assert any(len(set(many.texts[p * 5 : p * 5 + 5])) > 1 for p in range(7)), "samples of one problem differ"


def test_scores_lengths_and_truncation_belong_to_their_texts() -> None:
    found = graded(6, 10)
    assert found.scores_NS.shape == found.lengths_NS.shape == found.truncated_NS.shape == (7, 6)
    assert 0 < found.truncated_NS.sum() < 42
    for text, score, length, truncated in zip(
        found.texts, found.scores_NS.flat, found.lengths_NS.flat, found.truncated_NS.flat, strict=True
    ):
        assert score == float(text.partition("#")[2] == "3")
        assert length == len(text) + (0 if truncated else 1), "the end token counts"
    assert 0 < found.scores_NS.mean() < 1


def test_another_seed_draws_other_completions_and_greedy_draws_none() -> None:
    assert graded(4, 28, seed=3).texts != graded(4, 28, seed=4).texts
    first, second = graded(4, 28, seed=3, greedy=True), graded(1, 3, seed=4, greedy=True)
    assert first.texts == second.texts
    assert first.scores_NS.shape == (7, 1)


def planted(scores: list[list[float]]) -> Graded:
    scores_NS: NDArray[np.float64] = np.array(scores)
    lengths_NS = np.arange(scores_NS.size).reshape(scores_NS.shape)
    return Graded(scores_NS, lengths_NS, scores_NS < 0.5, [""] * scores_NS.size)


def test_a_row_of_the_curve_holds_what_was_planted() -> None:
    sampled = planted([[1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0.5]])
    greedy = planted([[1], [0], [1]])
    row = curve_row(8, sampled, greedy, PARAMS, seed=5)
    per_problem = np.array([0.25, 0.0, 3.5 / 4])
    assert row["step"] == 8 and row["n"] == 3
    assert row["accuracy"] == pytest.approx(per_problem.mean())
    assert row["greedy"] == pytest.approx(2 / 3)
    assert row["pass_at_1"] == pytest.approx((1 / 4 + 0 + 3 / 4) / 3), "half a point is not a pass"
    assert row["pass_at_2"] == pytest.approx((1 / 2 + 0 + 1) / 3)
    assert row["pass_at_4"] == pytest.approx(2 / 3)
    assert row["completion_length"] == pytest.approx(5.5)
    assert row["truncated"] == pytest.approx(7 / 12)
    assert per_problem.min() <= row["low"] < row["accuracy"] < row["high"] <= per_problem.max()


def test_rows_of_two_models_resample_the_same_problems() -> None:
    """A model that is better by 0.1 everywhere has an interval that is shifted by exactly that."""
    scores = rng(4).random((9, 4)) * 0.5
    first, second = (curve_row(1, planted(s.tolist()), planted([[1]]), PARAMS, 5) for s in (scores, scores + 0.1))
    for name in ("accuracy", "low", "high"):
        assert second[name] - first[name] == pytest.approx(0.1, abs=1e-9)
    assert curve_row(1, planted(scores.tolist()), planted([[1]]), PARAMS, 6)["low"] != first["low"]
