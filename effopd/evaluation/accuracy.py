"""Sample completions of test problems from a model and grade them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effopd.rollout.policy import Policy
from effopd.seeding import derive_seed, uniforms
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import check_gradable, score_all


@dataclass(frozen=True)
class Graded:
    """Scores (N, S) of S completions of each of N problems, their lengths in tokens, and which met the limit.

    texts: the completions, problem by problem.
    """

    scores_NS: NDArray[np.float64]
    lengths_NS: NDArray[np.int64]
    truncated_NS: NDArray[np.bool_]
    texts: list[str]


def grade(
    policy: Policy,
    problems: Sequence[Problem],
    *,
    samples: int,
    greedy: bool,
    seed: int,
    max_new_tokens: int,
    batch_size: int,
) -> Graded:
    """Draw `samples` completions of each problem at temperature 1, or one greedily, and score them.

    Each (problem, sample) has random numbers of its own, so neither the batch size nor the number of samples changes a
    completion, and models evaluated with one seed are compared on common random numbers.
    """
    check_gradable(problems)
    if greedy:
        samples = 1
    items = [(problem, p * 4096 + s) for p, problem in enumerate(problems) for s in range(samples)]
    key = derive_seed(seed, "evaluation")
    found: list[float] = []
    lengths: list[int] = []
    truncated: list[bool] = []
    texts: list[str] = []
    for start in range(0, len(items), batch_size):
        batch = items[start : start + batch_size]
        numbers_BT = None if greedy else uniforms(key, [row for _, row in batch], max_new_tokens)
        asked = [problem for problem, _ in batch]
        rollout = policy.sample([problem.prompt for problem in asked], max_new_tokens, numbers_BT)
        found += score_all(asked, rollout.texts)
        lengths += rollout.lengths_B.long().tolist()
        truncated += rollout.truncated_B.tolist()
        texts += rollout.texts
    shape = (len(problems), samples)
    scores_NS, lengths_NS, truncated_NS = (np.array(column).reshape(shape) for column in (found, lengths, truncated))
    return Graded(scores_NS, lengths_NS, truncated_NS, texts)
