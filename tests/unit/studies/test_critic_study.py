"""The critic: planted searches in which the teacher knows all, and in which it knows nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from planted_variants import variant
from planted_world import World

from effopd.files import DataError
from effopd.studies.critic import by_prompts, conclude, judge, kept
from effopd.studies.variants import Scored, Searched

TRUTH = (0.5, 0.6, 0.7, 0.8, 0.3, 0.1)  # accuracy by candidate: forward to the fourth


def searched(teacher: Callable[[float], float], prompts: int = 400, seed: int = 0) -> Searched:
    """Every prompt is solved with its candidate's accuracy; the teacher's score is a function of the true one."""
    draws = np.random.default_rng(seed)
    candidates = tuple(
        Scored(m, teacher(p), tuple((draws.random(prompts) < p).astype(float).tolist()), 10, 40 * prompts)
        for m, p in enumerate(TRUTH)
    )
    return Searched(1, candidates)


@pytest.mark.parametrize(
    ("teacher", "expected"),
    [
        (lambda p: p, "reproduced"),
        (lambda p: -p, "not reproduced"),
        (lambda p: -p if p > 0.6 else p, "not reproduced"),
    ],
)
def test_the_verdict_follows_from_what_the_teacher_knows(
    world: World, teacher: Callable[[float], float], expected: str
) -> None:
    answer = conclude([], [variant(world, searches=[searched(teacher, seed=n) for n in range(9)])])
    assert answer.verdict == expected


def test_a_critic_that_knows_the_truth_ranks_perfectly_and_loses_nothing() -> None:
    truth = np.array(TRUTH)
    assert judge(truth[None], truth) == (pytest.approx(1.0), 0.0)
    assert judge(-truth[None], truth) == (pytest.approx(-1.0), pytest.approx(0.3))  # stays: 0.8 - 0.5


def test_a_critic_that_says_the_same_of_all_has_no_rank_and_leaps_as_far_as_it_may() -> None:
    rank, regret = judge(np.zeros((1, 6)), np.array(TRUTH))
    assert np.isnan(rank) and regret == pytest.approx(0.7)


def test_the_search_ends_at_the_first_candidate_that_is_worse() -> None:
    assert kept([0.5, 0.6, 0.6, 0.5, 0.9]) == 2
    assert kept([0.5, 0.4, 0.9]) == 0


def test_validation_sets_are_not_drawn_from_the_prompts_that_are_the_truth() -> None:
    """The two halves say the opposite: a set that saw the truth would not be wrong about all of it."""
    one = searched(lambda p: p)
    flipped = tuple(
        Scored(c.multiplier, 0.0, c.by_prompt[:200] + tuple(1 - x for x in c.by_prompt[:200]), 1, 1)
        for c in one.candidates
    )
    critic = by_prompts([Searched(1, flipped)], 200, seed=42)
    assert critic.rank_S[0] == pytest.approx(-1.0)


def test_larger_sets_lose_less_and_cost_in_proportion() -> None:
    searches = [searched(lambda p: p, prompts=1000, seed=n) for n in range(6)]
    small, large = by_prompts(searches, 10, seed=42), by_prompts(searches, 500, seed=42)
    assert small.regret_S.mean() > large.regret_S.mean()
    assert large.tokens == pytest.approx(50 * small.tokens)
    assert small.tokens == pytest.approx(6 * 40 * 10)


def test_too_few_prompts_are_an_error_that_says_so(world: World) -> None:
    with pytest.raises(DataError, match=r"100 prompts are needed"):
        conclude([], [variant(world, searches=[searched(lambda p: p, prompts=90)])])
