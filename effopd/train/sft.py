"""Supervised fine-tuning on demonstrations: it makes the base."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.losses.tokens import masked_mean, token_logprobs
from effopd.models.tokenizer import encode_demonstrations, pad_right
from effopd.params.base import BaseParams
from effopd.seeding import shuffled_batch
from effopd.tasks.problems import Demonstration
from effopd.train.engine import TorchEngine
from effopd.train.session import Session

IGNORED = -100


def fine_tune(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    demonstrations: Sequence[Demonstration],
    params: BaseParams,
    engine: TorchEngine,
    session: Session,
    seed: int,
) -> None:
    """Train `model` in place on completion tokens; prompts are context alone. Cosine learning rate after a warm-up."""
    rows, prompt_lengths = encode_demonstrations(tokenizer, [(d.prompt, d.completion) for d in demonstrations])
    for step in session.steps():
        batch = shuffled_batch(seed, "demonstrations", step, params.batch_size, len(rows))
        tokens_BL = pad_right([rows[i] for i in batch], tokenizer.pad_token_id)
        targets_BL = pad_right([[IGNORED] * prompt_lengths[i] + rows[i][prompt_lengths[i] :] for i in batch], IGNORED)
        loss = completion_loss(model, tokens_BL, targets_BL)
        loss.backward()
        learning_rate = engine.set_learning_rate(cosine_rate(params, step))
        grad_norm = engine.step(step)
        session.log(loss=loss.item(), grad_norm=grad_norm, learning_rate=learning_rate)


def completion_loss(model: PreTrainedModel, tokens_BL: Tensor, targets_BL: Tensor) -> Tensor:
    """Mean negative log-likelihood of the targets that are not ignored, in nats."""
    logits_BTV = model(tokens_BL, attention_mask=torch.ones_like(tokens_BL), use_cache=False).logits[:, :-1]
    targets_BT = targets_BL[:, 1:]
    mask_BT = (targets_BT != IGNORED).float()
    return -masked_mean(token_logprobs(logits_BTV, targets_BT.clamp(min=0)), mask_BT)


def cosine_rate(params: BaseParams, step: int) -> float:
    """Linear warm-up over `warmup_steps`, then a cosine to zero at the last step."""
    if step <= params.warmup_steps:
        return params.learning_rate * step / params.warmup_steps
    progress = (step - params.warmup_steps) / max(1, params.steps - params.warmup_steps)
    return params.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
