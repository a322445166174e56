"""A function of every sampled token's logits, with those of a whole micro-batch or of a few tokens at a time.

`loss_chunk` is the number of tokens whose logits exist at once; 0 keeps those of a whole micro-batch, which is faster
while they are small. Both ways return (B, T); what stands under the mask counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from effopd.losses.chunked import over_chunks
from effopd.losses.tokens import entropy, token_logprobs
from effopd.rollout.sampler import Rollout
from effopd.train.engine import Engine
from effopd.train.forward import completion_logits, scores_at_head
from effopd.train.training import Batch, Training


@dataclass(frozen=True)
class PolicyPiece:
    """A micro-batch of completions, and which rows of the batch it is.

    Of each token (B, T): log π of the policy, with gradient, the policy's entropy, and log π of the reference.
    """

    rows: slice
    rollout: Rollout
    policy_BT: Tensor
    entropy_BT: Tensor
    reference_BT: Tensor


def policy_pieces(training: Training, reference: PreTrainedModel, batch: Batch) -> Iterator[PolicyPiece]:
    """The batch in micro-batches, each passed through the policy and the reference."""
    for rows, rollout in training.pieces(batch.rollout):
        policy_BT, entropy_BT = policy_scores(training.engine, rollout, training.loss_chunk)
        yield PolicyPiece(rows, rollout, policy_BT, entropy_BT, model_logprobs(reference, rollout, training.loss_chunk))
    training.session.spend(forward_tokens=2 * batch.passed, backward_tokens=batch.passed)


def policy_scores(engine: Engine, rollout: Rollout, loss_chunk: int) -> tuple[Tensor, Tensor]:
    """log π of each sampled token, with gradient, and the entropy without; each (B, T)."""
    inputs = (rollout, _logprobs_and_entropy, loss_chunk, rollout.tokens_BT)
    logprobs_BT, entropy_BT = over_tokens(engine.model, engine.module, *inputs)
    return logprobs_BT, entropy_BT


def _logprobs_and_entropy(logits_V: Tensor, tokens: Tensor) -> tuple[Tensor, ...]:
    logprobs = token_logprobs(logits_V, tokens)
    with torch.no_grad():
        return logprobs, entropy(logits_V)


@torch.no_grad()
def model_logprobs(model: PreTrainedModel, rollout: Rollout, loss_chunk: int) -> Tensor:
    """log π of each sampled token (B, T) under a model beside the engine's, such as a reference; without gradient."""
    return over_tokens(model, model, rollout, _logprobs, loss_chunk, rollout.tokens_BT)[0]


def _logprobs(logits_V: Tensor, tokens: Tensor) -> tuple[Tensor, ...]:
    return (token_logprobs(logits_V, tokens),)


def over_tokens(
    model: Any,
    module: PreTrainedModel,
    rollout: Rollout,
    score: Callable[..., tuple[Tensor, ...]],
    loss_chunk: int,
    *inputs: Tensor,
) -> tuple[Tensor, ...]:
    """`score(logits, *inputs)` for every sampled token; inputs (B, T, …), results (B, T)."""
    if loss_chunk == 0:
        return score(completion_logits(model, rollout), *inputs)
    kept_BT = rollout.mask_BT.bool()  # masked first: padding is never projected

    def in_chunks(states_BTH: Tensor, project: Callable[[Tensor], Tensor]) -> Tensor:
        kept = (states_BTH[kept_BT], *(x[kept_BT] for x in inputs))
        results = over_chunks(lambda states_H, *rest: score(project(states_H), *rest), loss_chunk, *kept)
        nothing_BT = torch.zeros_like(rollout.mask_BT)
        return torch.stack([nothing_BT.masked_scatter(kept_BT, result) for result in results], dim=-1)

    return scores_at_head(model, module, rollout, in_chunks).unbind(-1)
