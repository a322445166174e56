"""How to score weights: by sampled accuracy on validation prompts, as the paper does, or by the teacher at hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from effopd.extrapolation.search import Score
from effopd.losses.reverse_kl import reverse_kl
from effopd.losses.tokens import masked_sum
from effopd.rollout.sampler import Sampler
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import score_all
from effopd.train.costs import Costs
from effopd.train.engine import Runner
from effopd.train.mismatch import Mismatch
from effopd.train.objective import Judged, token_scores


def sampled_accuracy(
    engine: Runner, sampler: Sampler, problems: Sequence[Problem], samples: int, numbers_BT: NDArray[np.float64]
) -> tuple[Score, Costs]:
    """Mean accuracy of `samples` completions at temperature 1 of each of the validation problems D_v.

    numbers_BT: random numbers of this rank's completions, the same for all candidates of one trigger. With several
    ranks each samples its share, and all of them return the score of all.
    """
    items = [problem for problem in problems for _ in range(samples)]
    rows = engine.share(len(items), uneven=True)
    mine = [items[row] for row in rows]
    rollout = sampler.sample([item.prompt for item in mine], numbers_BT)
    each = [0.0] * len(items)
    each[rows.start : rows.stop] = score_all(mine, rollout.texts)
    *each, sampled, read = engine.sum(*each, rollout.mask_BT.sum().item(), rollout.prompt_mask_BP.sum().item())
    by_problem = tuple(sum(each[i : i + samples]) / samples for i in range(0, len(each), samples))
    return Score(sum(each) / len(items), by_problem=by_problem), Costs(
        sampled_tokens=int(sampled), read_tokens=int(read)
    )


@torch.no_grad()
def teacher_kl(
    engine: Runner, pieces: Sequence[Judged], loss_chunk: int, log_ratio_cap: float = math.inf
) -> tuple[Score, Costs]:
    """Minus the mean over tokens of a step's own completions of KL(π_W ‖ π_T) at the same prefixes: one forward pass.

    The teacher's outputs are those that the step's loss had. The divergence is over the outcomes that the teacher tells
    apart: the vocabulary, its likeliest tokens and any other, or the sampled token and any other.
    """
    total, mismatch, tokens, read = 0.0, Mismatch(), 0.0, 0.0
    for piece in pieces:
        scores = token_scores(engine, piece, reverse_kl, loss_chunk, log_ratio_cap)
        total += masked_sum(scores.reverse_kl_BT, piece.rollout.mask_BT).item()
        mismatch.add(scores.student_BT, piece.rollout)
        tokens += piece.rollout.mask_BT.sum().item()
        read += piece.rollout.prompt_mask_BP.sum().item()
    total, tokens, read = engine.sum(total, tokens, read)
    return Score(-total / tokens, mismatch.effective(engine, int(tokens))), Costs(forward_tokens=int(tokens + read))
