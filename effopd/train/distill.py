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
from effopd.tasks.verifiers import score_all
from effopd.train.engine import Engine
from effopd.train.forward import chunks, completion_logits, completion_states, output_head
from effopd.train.mismatch import Mismatch
from effopd.train.scoring import over_tokens
from effopd.train.session import Session

Hook = Callable[[int], int]
"""Called with the step's number after each optimiser step; may change the weights; returns the tokens it sampled."""


def distill(
    engine: Engine,
    sampler: Sampler,
    teacher: PreTrainedModel,
    problems: Sequence[Problem],
    params: OPDParams,
    session: Session,
    *,
    seed: int,
    micro_batch: int,
    loss_chunk: int = 0,
    mismatch_budget: float = math.inf,
    after_step: Hook | None = None,
) -> None:
    """Train the engine's model in place: the sampler samples it, and the teacher scores every token of its samples.

    loss_chunk: tokens whose logits exist at once; 0: those of a micro-batch. mismatch_budget: the largest mean
    difference of log-probabilities between sampler and trainer that a step may show, in nats.
    after_step: EffOPD's `leap_at_triggers`, or any other change of the weights between steps.
    """
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
        for _, chunk in chunks(rollout, micro_batch):
            scores = distillation_scores(engine, teacher, chunk, params, loss_chunk)
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
    """Per sampled token (B, T): the loss, log π_S of the token, KL(π_S ‖ π_T) and the student's entropy."""

    loss_BT: Tensor
    student_BT: Tensor
    reverse_kl_BT: Tensor
    entropy_BT: Tensor


def distillation_scores(
    engine: Engine, teacher: PreTrainedModel, rollout: Rollout, params: OPDParams, loss_chunk: int
) -> TokenScores:
    """The student's tokens under the chosen loss; gradients flow from `loss_BT` alone.

    With chunks the teacher's last hidden states are kept, and its logits too are made for a few tokens at a time.
    """
    head = output_head(teacher) if loss_chunk else lambda logits: logits
    with torch.no_grad():
        run = completion_logits(teacher, rollout) if loss_chunk == 0 else completion_states(teacher, teacher, rollout)

    def score(student_V: Tensor, teacher_x: Tensor, tokens: Tensor, sampler: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            teacher_V = head(teacher_x)
        student = token_logprobs(student_V, tokens)
        loss = token_losses(params, student_V, teacher_V, student, tokens, sampler)
        with torch.no_grad():
            return loss, student.detach(), distillation.reverse_kl(student_V, teacher_V), entropy(student_V)

    inputs = (run, rollout.tokens_BT, rollout.logprobs_BT)
    return TokenScores(*over_tokens(engine.model, engine.module, rollout, score, loss_chunk, *inputs))


def token_losses(
    params: OPDParams, student_V: Tensor, teacher_V: Tensor, student: Tensor, tokens: Tensor, sampler: Tensor
) -> Tensor:
    """The chosen loss for each token, from both models' logits (…, V) and log-probabilities of the tokens (…)."""
    match params.loss:
        case "sampled":
            return distillation.sampled(student, token_logprobs(teacher_V, tokens), sampler, params.importance_cap)
        case "reverse_kl":
            return distillation.reverse_kl(student_V, teacher_V)
        case "forward_kl":
            return distillation.forward_kl(student_V, teacher_V)
        case "jsd":
            return distillation.jsd(student_V, teacher_V, params.jsd_beta)
