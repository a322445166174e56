"""On-policy distillation (arXiv 2605.11739, section 2); EffOPD is the same loop with leaps after some steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from effopd.losses import distillation
from effopd.losses.tokens import entropy, masked_sum, token_logprobs
from effopd.params.opd import OPDParams
from effopd.rollout.sampler import Rollout, Sampler
from effopd.seeding import derive_seed, shuffled_batch, uniforms
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import check_gradable, score_all
from effopd.train.engine import Engine
from effopd.train.forward import chunks
from effopd.train.judgement import Judgement, Teacher
from effopd.train.mismatch import Mismatch
from effopd.train.scoring import model_logprobs, over_tokens
from effopd.train.session import Session

Hook = Callable[[int], int]
"""Called with the step's number after each optimiser step; may change the weights; returns the tokens it sampled."""


def distill(
    engine: Engine,
    sampler: Sampler,
    teacher: Teacher,
    problems: Sequence[Problem],
    params: OPDParams,
    session: Session,
    *,
    seed: int,
    micro_batch: int,
    loss_chunk: int = 0,
    mismatch_budget: float = math.inf,
    reference: PreTrainedModel | None = None,
    after_step: Hook | None = None,
) -> None:
    """Train the engine's model in place: the sampler samples it, and the teacher scores every token of its samples.

    loss_chunk: tokens whose logits exist at once; 0: those of a micro-batch. mismatch_budget: the largest mean
    difference of log-probabilities between sampler and trainer that a step may show, in nats. reference: the student
    before training, which the loss `exopd` needs; no leap moves it.
    after_step: EffOPD's `leap_at_triggers`, or any other change of the weights between steps.
    """
    check_gradable(problems)
    sampled_tokens = session.total("sampled_tokens")
    sampler.refresh(session.state.step)  # a resumed run's weights are not those that the sampler was made with
    for step in session.steps():
        batch = [problems[i] for i in shuffled_batch(seed, "prompts", step, params.prompts_per_step, len(problems))]
        rows = engine.share(len(batch))
        mine = [batch[row] for row in rows]
        numbers_BT = uniforms(derive_seed(seed, "rollout", step), rows, sampler.max_new_tokens)
        rollout = sampler.sample([problem.prompt for problem in mine], numbers_BT)
        (all_tokens,) = engine.sum(rollout.mask_BT.sum().item())
        tokens = int(all_tokens)

        loss = reverse_kl = entropy_sum = 0.0
        mismatch = Mismatch()
        for part, chunk in chunks(rollout, micro_batch):
            judgement = teacher.judge(chunk, [problem.teacher for problem in mine[part]], loss_chunk)
            start_BT = None if reference is None else model_logprobs(reference, chunk, loss_chunk)
            scores = distillation_scores(engine, judgement, chunk, params, loss_chunk, start_BT)
            chunk_loss = masked_sum(scores.loss_BT, chunk.mask_BT) / tokens  # the mean over the step's tokens
            engine.backward(chunk_loss)
            loss += chunk_loss.item()
            reverse_kl += masked_sum(scores.reverse_kl_BT, chunk.mask_BT).item()
            entropy_sum += masked_sum(scores.entropy_BT, chunk.mask_BT).item()
            mismatch.add(scores.student_BT, chunk)
        mismatch_row = mismatch.check(engine, tokens, mismatch_budget, step)
        grad_norm = engine.step(step)
        sampler.refresh(step)

        sampled_tokens += tokens
        if after_step is not None:
            sampled_tokens += after_step(step)
        correct = sum(score_all(mine, rollout.texts))
        loss, reverse_kl, entropy_sum, correct, truncated = engine.sum(
            loss, reverse_kl, entropy_sum, correct, rollout.truncated_B.sum().item()
        )
        session.log(
            loss=loss,
            accuracy=correct / len(batch),
            reverse_kl=reverse_kl / tokens,
            entropy=entropy_sum / tokens,
            **mismatch_row,
            completion_length=tokens / len(batch),
            truncated=truncated / len(batch),
            grad_norm=grad_norm,
            tokens=tokens,
            sampled_tokens=sampled_tokens,
        )


@dataclass(frozen=True)
class TokenScores:
    """Per sampled token (B, T): the loss, log π_S of the token, KL(π_S ‖ π_T) and the student's entropy.

    The divergence is over the outcomes that the teacher tells apart: a lower bound with a teacher's likeliest tokens.
    """

    loss_BT: Tensor
    student_BT: Tensor
    reverse_kl_BT: Tensor
    entropy_BT: Tensor


def distillation_scores(
    engine: Engine,
    judgement: Judgement,
    rollout: Rollout,
    params: OPDParams,
    loss_chunk: int,
    reference_BT: Tensor | None = None,
) -> TokenScores:
    """The student's tokens under the chosen loss; gradients flow from `loss_BT` alone.

    reference_BT: log π_ref of the sampled tokens, which `exopd` needs.
    """
    if reference_BT is None:
        if params.loss == "exopd":
            raise ValueError("exopd needs the log-probabilities of a reference")
        reference_BT = rollout.logprobs_BT  # of no effect

    def score(
        student_V: Tensor, tokens: Tensor, sampler: Tensor, reference: Tensor, *given: Tensor
    ) -> tuple[Tensor, ...]:
        student_X, teacher_X = judgement.outcomes(student_V, *given)
        student = token_logprobs(student_V, tokens)
        if params.loss in ("sampled", "exopd"):
            aim = judgement.of_tokens(teacher_X, tokens, *given)
            if params.loss == "exopd":
                aim = distillation.beyond(aim, reference, params.exopd_lambda)
            loss = distillation.sampled(student, aim, sampler, params.importance_cap)
        else:
            loss = divergence(params, student_X, teacher_X)
        with torch.no_grad():
            return loss, student.detach(), distillation.reverse_kl(student_X, teacher_X), entropy(student_V)

    inputs = (rollout.tokens_BT, rollout.logprobs_BT, reference_BT, *judgement.given)
    return TokenScores(*over_tokens(engine.model, engine.module, rollout, score, loss_chunk, *inputs))


def divergence(params: OPDParams, student_X: Tensor, teacher_X: Tensor) -> Tensor:
    """The chosen loss for each token, from logits or log-probabilities (…, X) over the same outcomes."""
    match params.loss:
        case "reverse_kl":
            return distillation.reverse_kl(student_X, teacher_X)
        case "forward_kl":
            return distillation.forward_kl(student_X, teacher_X)
        case "jsd":
            return distillation.jsd(student_X, teacher_X, params.jsd_beta)
        case other:
            raise ValueError(f"{other} is not a divergence")
