"""Supervised fine-tuning on demonstrations: it makes the base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from effopd.losses.tokens import masked_sum, token_logprobs
from effopd.models.tokenizer import encode_demonstrations, pad_right
from effopd.params.base import BaseParams
from effopd.seeding import shuffled_batch
from effopd.tasks.problems import Demonstration
from effopd.train.engine import Engine
from effopd.train.rates import scheduled
from effopd.train.session import Session

IGNORED = -100


def fine_tune(
    engine: Engine,
    tokenizer: PreTrainedTokenizerBase,
    demonstrations: Sequence[Demonstration],
    params: BaseParams,
    session: Session,
    *,
    seed: int,
    micro_batch: int,
) -> None:
    """Train the engine's model in place on completion tokens; prompts are context alone.

    The learning rate follows a cosine after a warm-up.
    """
    rows, prompt_lengths = encode_demonstrations(tokenizer, [(d.prompt, d.completion) for d in demonstrations])
    for step in session.steps():
        batch = shuffled_batch(seed, "demonstrations", step, params.batch_size, len(rows))
        batch.sort(key=lambda i: len(rows[i]))  # neighbours of like length need little padding
        tokens = sum(len(rows[i]) - prompt_lengths[i] for i in batch)
        mine = [batch[i] for i in engine.share(len(batch))]
        loss = 0.0
        for start in range(0, len(mine), micro_batch):
            chunk = mine[start : start + micro_batch]
            inputs_BL = pad_right([rows[i] for i in chunk], tokenizer.pad_token_id).to(engine.device)
            targets = [[IGNORED] * prompt_lengths[i] + rows[i][prompt_lengths[i] :] for i in chunk]
            targets_BL = pad_right(targets, IGNORED).to(engine.device)
            chunk_loss = negative_log_likelihood(engine.model, inputs_BL, targets_BL) / tokens
            engine.backward(chunk_loss)
            loss += chunk_loss.item()
        rate = scheduled(params.learning_rate, "cosine", step, params.warmup_steps, params.steps)
        learning_rate = engine.set_learning_rate(rate)
        grad_norm = engine.step(step)
        session.log(loss=engine.sum(loss)[0], grad_norm=grad_norm, learning_rate=learning_rate)


def negative_log_likelihood(model: Any, inputs_BL: Tensor, targets_BL: Tensor) -> Tensor:
    """Sum over the targets that are not ignored, in nats. Right padding needs no mask under causal attention."""
    logits_BTV = model(inputs_BL, use_cache=False).logits[:, :-1]
    targets_BT = targets_BL[:, 1:]
    mask_BT = (targets_BT != IGNORED).float()
    return -masked_sum(token_logprobs(logits_BTV, targets_BT.clamp(min=0)), mask_BT)
