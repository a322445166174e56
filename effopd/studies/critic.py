"""The critic: is KL to the teacher as good a judge of a leap as sampled accuracy, and that on how many prompts?

Every search has sampled many prompts with every candidate. The first half of them are what validation sets D_v of
several sizes are drawn from; the other half, which no set has seen, are the truth that all critics are held against.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ConstantInputWarning, spearmanr

from effopd.files import DataError
from effopd.findings import words
from effopd.findings.estimates import Interval
from effopd.seeding import generator
from effopd.studies.answers import Answer, Number, over_worlds
from effopd.studies.variants import Searched, Variant

SIZES = (10, 25, 50, 100, 250, 500, 1000)
DOCUMENT = 50  # prompts of its D_v
DRAWS = 100  # validation sets of each size
NEGLIGIBLE = 0.02  # accuracy, as in the report's claims
TEACHER = "teacher's KL"
RANK, REGRET, TOKENS = "rank correlation with the truth", "accuracy lost by the choice", "tokens a search"


@dataclass(frozen=True)
class Critic:
    """How a critic did in each search. rank_S: NaN where all scores were the same. tokens: of a search, on average."""

    name: str
    rank_S: NDArray[np.float64]
    regret_S: NDArray[np.float64]
    tokens: float


def conclude(_: Sequence[str], variants: Sequence[Variant]) -> Answer:
    """Against the document's 50 prompts, the teacher's KL has to rank as well, and to lose no more by its choices."""
    variant = variants[0]
    searches, confidence = variant.searches, variant.evidence.confidence
    if _half(searches[0]) < DOCUMENT:
        raise DataError(f"critic: {2 * DOCUMENT} prompts are needed, data.train has too few for that")
    critics = [by_teacher(searches)]
    critics += [by_prompts(searches, size, variant.params.run.seed) for size in SIZES if size <= _half(searches[0])]
    numbers = []
    for critic in critics:
        for measure, values_S in ((RANK, critic.rank_S), (REGRET, critic.regret_S)):
            value = over_worlds(values_S[~np.isnan(values_S)].tolist(), confidence)
            numbers.append(Number(measure, critic.name, "critic", value))
        numbers.append(Number(TOKENS, critic.name, "critic", Interval(critic.tokens)))
    teacher, prompts = critics[0], next(critic for critic in critics if critic.name == _set_of(DOCUMENT))
    both = ~np.isnan(teacher.rank_S + prompts.rank_S)
    better = over_worlds((teacher.rank_S - prompts.rank_S)[both].tolist(), confidence)
    lost = over_worlds((teacher.regret_S - prompts.regret_S).tolist(), confidence)
    no_worse = [critic for critic in critics[1:] if critic.regret_S.mean() <= teacher.regret_S.mean()]
    said = (
        f"Over {len(searches)} searches the teacher's KL ranks candidates with a correlation of "
        f"{np.nanmean(teacher.rank_S):.2f}, {DOCUMENT} prompts with {np.nanmean(prompts.rank_S):.2f}; a difference of "
        f"{words.interval(better, '+.3f')}. Its choices lose {teacher.regret_S.mean():.3f} of accuracy, theirs "
        f"{prompts.regret_S.mean():.3f}; a difference of {words.interval(lost, '+.3f')}. It reads "
        f"{teacher.tokens:,.0f} tokens a search, they sample {prompts.tokens:,.0f}. "
        + (
            f"Of sets tried, {no_worse[0].name} is the smallest that loses no more: {no_worse[0].tokens:,.0f} tokens."
            if no_worse
            else "No set tried loses as little."
        )
    )
    checks = [None if math.isnan(better.value) else better.value >= 0, lost.high < NEGLIGIBLE]
    return Answer(numbers, checks, said)


def by_teacher(searches: Sequence[Searched]) -> Critic:
    judged = [judge(np.array([one.teacher_kl for one in row.candidates])[None], truth(row)) for row in searches]
    tokens = np.mean([sum(one.read_tokens for one in row.candidates) for row in searches])
    return _critic(TEACHER, judged, float(tokens))


def by_prompts(searches: Sequence[Searched], size: int, seed: int) -> Critic:
    """Validation sets of `size` prompts, drawn for each search from those that are not the truth."""
    judged = []
    for number, row in enumerate(searches):
        scores_MN = np.array([one.by_prompt[: _half(row)] for one in row.candidates])
        draws = generator(seed, "validation sets", size, number)
        sets = [draws.choice(_half(row), size, replace=False) for _ in range(DRAWS)]
        judged.append(judge(np.array([scores_MN[:, some].mean(axis=1) for some in sets]), truth(row)))
    tokens = np.mean(
        [
            sum(one.sampled_tokens for one in row.candidates) * size / len(row.candidates[0].by_prompt)
            for row in searches
        ]
    )
    return _critic(_set_of(size), judged, float(tokens))


def truth(row: Searched) -> NDArray[np.float64]:
    """Accuracy of each candidate on the prompts that no validation set is drawn from."""
    return np.array([one.by_prompt[_half(row) :] for one in row.candidates]).mean(axis=1)


def judge(scores_DM: NDArray[np.float64], truth_M: NDArray[np.float64]) -> tuple[float, float]:
    """Spearman's correlation of scores and truth, and the truth lost by choosing by the scores; means over D draws."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)  # NaN, as it should be
        ranks = [float(spearmanr(scores_M, truth_M).statistic) for scores_M in scores_DM]
    lost = [float(truth_M.max() - truth_M[kept(scores_M)]) for scores_M in scores_DM]
    defined = [rank for rank in ranks if not math.isnan(rank)]
    return (float(np.mean(defined)) if defined else math.nan), float(np.mean(lost))


def kept(scores_M: Sequence[float] | NDArray[np.float64]) -> int:
    """What the document's search keeps: forward until a candidate is worse than the best so far."""
    best = 0
    for k in range(1, len(scores_M)):
        if scores_M[k] < scores_M[best]:
            break
        best = k
    return best


def _critic(name: str, judged: Sequence[tuple[float, float]], tokens: float) -> Critic:
    rank_S, regret_S = np.array(judged).T
    return Critic(name, rank_S, regret_S, tokens)


def _half(row: Searched) -> int:
    return len(row.candidates[0].by_prompt) // 2


def _set_of(size: int) -> str:
    return f"D_v of {size}"
