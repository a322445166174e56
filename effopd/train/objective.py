"""The objective of a distilling step: completions under the teacher, and what each of their tokens loses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from transformers import PreTrainedModel

from effopd.losses.forward_kl import forward_kl
from effopd.losses.jsd import jsd
from effopd.losses.reverse_kl import reverse_kl
from effopd.losses.sampled import exopd, sampled
from effopd.losses.seen import Loss, Seen
from effopd.losses.tokens import entropy, masked_sum, token_logprobs
from effopd.params.opd import OPDParams
from effopd.rollout.sampler import Rollout, take
from effopd.train.engine import NonFiniteError, Runner
from effopd.train.judgement import Judgement, Teacher
from effopd.train.scoring import model_logprobs, over_tokens
from effopd.train.training import Batch, Sums, Training


def chosen_loss(params: OPDParams) -> Loss:
    """The loss that params ask for, with its options."""
    match params.loss:
        case "sampled":
            return partial(sampled, importance_cap=params.importance_cap)
        case "exopd":
            return partial(exopd, strength=params.exopd_lambda, importance_cap=params.importance_cap)
        case "reverse_kl":
            return reverse_kl
        case "forward_kl":
            return forward_kl
        case "jsd":
            return partial(jsd, beta=params.jsd_beta)


@dataclass(frozen=True)
class Judged:
    """A micro-batch of completions, what the teacher says of them, and log π_ref of their tokens (B, T)."""

    rollout: Rollout
    judgement: Judgement
    reference_BT: Tensor

    def first(self, share: float) -> Judged:
        """The first completions, so many that they are this share of all, and at least one."""
        rows = slice(max(1, round(share * len(self.rollout.texts))))
        rollout = take(self.rollout, rows)
        tokens = slice(rollout.tokens_BT.shape[1])
        judgement = replace(self.judgement, given=tuple(known[rows, tokens] for known in self.judgement.given))
        return Judged(rollout, judgement, self.reference_BT[rows, tokens])


def judged(training: Training, teacher: Teacher, reference: PreTrainedModel | None, batch: Batch) -> Iterator[Judged]:
    """The batch in micro-batches, judged one by one.

    reference: the student before training, for the losses that look at it.
    """
    session, loss_chunk = training.session, training.loss_chunk
    for rows, rollout in training.pieces(batch.rollout):
        with session.timed("teacher"):
            judgement = teacher.judge(rollout, [problem.teacher for problem in batch.problems[rows]], loss_chunk)
        if any(_nonsense(known, rollout) for known in judgement.given):
            said = "the teacher's log-probabilities are not numbers (NaN): look at its weights or server"
            raise NonFiniteError(f"step {session.state.step + 1}: {said}")
        start_BT = rollout.logprobs_BT if reference is None else model_logprobs(reference, rollout, loss_chunk)
        yield Judged(rollout, judgement, start_BT)
    session.spend(teacher_tokens=batch.passed, forward_tokens=0 if reference is None else batch.passed)


def _nonsense(known: Tensor, rollout: Rollout) -> bool:
    """Whether something that the teacher said (B, T, …) of an unmasked token is NaN."""
    broken_BT = known.flatten(2).sum(-1) if known.ndim > 2 else known
    return bool((broken_BT.isnan() & rollout.mask_BT.bool()).any())


def accumulate(
    training: Training, pieces: Iterable[Judged], loss: Loss, batch: Batch, log_ratio_cap: float = math.inf
) -> Sums:
    """One pass over a batch: add up the gradient of the mean loss over its tokens, and what is logged."""
    sums = Sums()
    for piece in pieces:
        scores = token_scores(training.engine, piece, loss, training.loss_chunk, log_ratio_cap)
        piece_loss = masked_sum(scores.loss_BT, piece.rollout.mask_BT) / batch.tokens
        training.engine.backward(piece_loss)
        sums.add(piece.rollout, piece_loss, scores.student_BT, scores.reverse_kl_BT, scores.entropy_BT)
        sums.capped += masked_sum(scores.capped_BT, piece.rollout.mask_BT).item()
    training.session.spend(forward_tokens=batch.passed, backward_tokens=batch.passed)
    return sums


@dataclass(frozen=True)
class TokenScores:
    """Per sampled token (B, T): the loss, log π_S, KL(π_S ‖ π_T), the student's entropy, and 1 where a cap was met.

    The divergence is over the outcomes that the teacher tells apart: a lower bound with a teacher's likeliest tokens.
    """

    loss_BT: Tensor
    student_BT: Tensor
    reverse_kl_BT: Tensor
    entropy_BT: Tensor
    capped_BT: Tensor


def token_scores(
    engine: Runner, piece: Judged, loss: Loss, loss_chunk: int, log_ratio_cap: float = math.inf
) -> TokenScores:
    """The student's tokens under a loss; gradients flow from `loss_BT` alone. log_ratio_cap: as in `Seen`."""
    score = partial(_score, loss, piece.judgement, log_ratio_cap)
    inputs = (piece.rollout.tokens_BT, piece.rollout.logprobs_BT, piece.reference_BT, *piece.judgement.given)
    return TokenScores(*over_tokens(engine.model, engine.module, piece.rollout, score, loss_chunk, *inputs))


def _score(
    loss: Loss,
    judgement: Judgement,
    log_ratio_cap: float,
    student_V: Tensor,
    tokens: Tensor,
    sampler: Tensor,
    reference: Tensor,
    *given: Tensor,
) -> tuple[Tensor, ...]:
    """The fields of `TokenScores` for tokens (…) with logits (…, V)."""
    student_X, teacher_X = judgement.outcomes(student_V, *given)
    student = token_logprobs(student_V, tokens)
    seen = Seen(student_X, teacher_X, tokens, student, sampler, reference, judgement.told(*given), log_ratio_cap)
    lost = loss(seen)
    with torch.no_grad():
        capped = ((seen.teacher - student).abs() > log_ratio_cap).float()
        return lost, student.detach(), reverse_kl(seen), entropy(student_V), capped
