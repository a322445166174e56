"""On-policy distillation and, with an extrapolation, EffOPD (arXiv 2605.11739)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.extrapolation.effopd import EffOPD
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
from effopd.trajectory.schedule import is_trigger


@dataclass(frozen=True)
class Leaps:
    """EffOPD on top of distillation: the search, its validation problems D_v and the completions drawn for each."""

    search: EffOPD
    problems: Sequence[Problem]
    samples: int
    reset_optimizer: bool


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
    leaps: Leaps | None = None,
) -> None:
    """Train `student` in place: it samples, the teacher scores every token, and at 1, 2, 4, 8, … it may leap."""
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
        if leaps is not None and is_trigger(step):
            sampled_tokens += _leap(leaps, student, tokenizer, engine, session, step, seed, max_new_tokens)
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


def _leap(
    leaps: Leaps,
    student: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    engine: TorchEngine,
    session: Session,
    step: int,
    seed: int,
    max_new_tokens: int,
) -> int:
    """Extrapolate after a trigger step, log it, and return the tokens that validation sampled."""
    began = time.perf_counter()
    problems = [problem for problem in leaps.problems for _ in range(leaps.samples)]
    numbers_BT = uniforms(derive_seed(seed, "validation", step), range(len(problems)), max_new_tokens)
    tokens: list[int] = []

    def validate() -> float:
        rollout = sample(student, tokenizer, [problem.prompt for problem in problems], max_new_tokens, numbers_BT)
        tokens.append(int(rollout.mask_BT.sum()))
        return sum(score(p, text) for p, text in zip(problems, rollout.texts, strict=True)) / len(problems)

    trigger = leaps.search.extrapolate(step, engine.parameters, validate)
    if trigger.accepted and leaps.reset_optimizer:
        engine.reset_optimizer()
    session.log_trigger(asdict(trigger) | {"sampled_tokens": sum(tokens)}, time.perf_counter() - began)
    return sum(tokens)
