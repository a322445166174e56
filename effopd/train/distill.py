"""On-policy distillation (arXiv 2605.11739, section 2); EffOPD is the same loop with leaps after some steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.losses import distillation
from effopd.losses.tokens import entropy, masked_sum, token_logprobs
from effopd.params.opd import OPDParams
from effopd.rollout.sampler import Rollout, sample
from effopd.seeding import derive_seed, shuffled_batch, uniforms
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import score
from effopd.train.engine import TorchEngine
from effopd.train.forward import chunks, completion_logits
from effopd.train.session import Session

Hook = Callable[[int], int]
"""Called with the step's number after each optimiser step; may change the weights; returns the tokens it sampled."""


def distill(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    params: OPDParams,
    engine: TorchEngine,
    session: Session,
    *,
    seed: int,
    max_new_tokens: int,
    micro_batch: int,
    after_step: Hook | None = None,
) -> None:
    """Train `student` in place: it samples, and the teacher scores every token of its samples.

    after_step: EffOPD's `leap_at_triggers`, or any other change of the weights between steps.
    """
    sampled_tokens = session.total("sampled_tokens")
    for step in session.steps():
        batch = [problems[i] for i in shuffled_batch(seed, "prompts", step, params.prompts_per_step, len(problems))]
        numbers_BT = uniforms(derive_seed(seed, "rollout", step), range(len(batch)), max_new_tokens)
        rollout = sample(student, tokenizer, [problem.prompt for problem in batch], max_new_tokens, numbers_BT)
        tokens = int(rollout.mask_BT.sum())

        loss = reverse_kl = entropy_sum = mismatch = 0.0
        for _, chunk in chunks(rollout, micro_batch):
            with torch.no_grad():
                teacher_BTV = completion_logits(teacher, chunk)
            student_BTV = completion_logits(student, chunk)
            student_BT = token_logprobs(student_BTV, chunk.tokens_BT)
            loss_BT = token_losses(params, student_BTV, teacher_BTV, student_BT, chunk)
            chunk_loss = masked_sum(loss_BT, chunk.mask_BT) / tokens  # the mean over the step's tokens, not the chunk's
            chunk_loss.backward()
            with torch.no_grad():
                loss += chunk_loss.item()
                reverse_kl += masked_sum(distillation.reverse_kl(student_BTV, teacher_BTV), chunk.mask_BT).item()
                entropy_sum += masked_sum(entropy(student_BTV), chunk.mask_BT).item()
                mismatch += masked_sum((student_BT - chunk.logprobs_BT).abs(), chunk.mask_BT).item()
        grad_norm = engine.step(step)

        sampled_tokens += tokens
        if after_step is not None:
            sampled_tokens += after_step(step)
        session.log(
            loss=loss,
            accuracy=sum(score(p, text) for p, text in zip(batch, rollout.texts, strict=True)) / len(batch),
            reverse_kl=reverse_kl / tokens,
            entropy=entropy_sum / tokens,
            sampler_mismatch=mismatch / tokens,
            completion_length=tokens / len(batch),
            truncated=rollout.truncated_B.float().mean().item(),
            grad_norm=grad_norm,
            tokens=tokens,
            sampled_tokens=sampled_tokens,
        )


def token_losses(
    params: OPDParams, student_BTV: Tensor, teacher_BTV: Tensor, student_BT: Tensor, rollout: Rollout
) -> Tensor:
    """The chosen loss for each token, (B, T)."""
    match params.loss:
        case "sampled":
            teacher_BT = token_logprobs(teacher_BTV, rollout.tokens_BT)
            return distillation.sampled(student_BT, teacher_BT, rollout.logprobs_BT, params.importance_cap)
        case "reverse_kl":
            return distillation.reverse_kl(student_BTV, teacher_BTV)
        case "forward_kl":
            return distillation.forward_kl(student_BTV, teacher_BTV)
        case "jsd":
            return distillation.jsd(student_BTV, teacher_BTV, params.jsd_beta)
