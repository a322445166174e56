"""What a critic expects of completions: values before a step's updates, advantages over them, and its own loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from effopd.losses.tokens import masked_sum
from effopd.losses.value import clipped_value_loss, generalised_advantages
from effopd.params.rl import RLParams
from effopd.rollout.sampler import Rollout
from effopd.train.engine import Engine, NonFiniteError
from effopd.train.forward import completion_logits
from effopd.train.scoring import PolicyPiece
from effopd.train.training import Batch, Training


@dataclass(frozen=True)
class Expected:
    """Of each token (B, T): the critic's value before the step's updates, what came of it, and the whitened advantage.

    explained: 1 − Var(R − V) / Var(R) over all tokens: 1 of a perfect critic, 0 of a constant.
    """

    values_BT: Tensor
    returns_BT: Tensor
    advantages_BT: Tensor
    explained: float

    def advantages(self, piece: PolicyPiece) -> Tensor:
        """Those of a micro-batch."""
        return self.advantages_BT[piece.rows, : piece.rollout.mask_BT.shape[1]]


def expect(training: Training, critic: Engine, batch: Batch, params: RLParams, step: int) -> Expected:
    """Ask the critic before it learns. Raises `NonFiniteError` that names the step when a value is not finite."""
    engine, rollout, tokens, judged_B1 = training.engine, batch.rollout, batch.tokens, batch.judged_B[:, None]
    values_BT = values_before(training, critic, batch)
    advantages_BT = generalised_advantages(batch.rewards_B, values_BT, rollout.mask_BT, params.gae_lambda) * judged_B1
    returns_BT = advantages_BT + values_BT
    explained = explained_variance(engine, advantages_BT, returns_BT, rollout.mask_BT, tokens)
    if not math.isfinite(explained):
        raise NonFiniteError(f"step {step}: the critic's values are not finite")
    whitened_BT = whiten(engine, advantages_BT, rollout.mask_BT, tokens) * judged_B1
    return Expected(values_BT, returns_BT, whitened_BT, explained)


def value_loss(critic: Engine, expected: Expected, piece: PolicyPiece, batch: Batch, clip: float) -> Tensor:
    """The critic's loss on a micro-batch: its share of the mean over the step's tokens."""
    part = piece.rows, slice(piece.rollout.mask_BT.shape[1])
    values_BT = critic_values(critic, piece.rollout)
    loss_BT = clipped_value_loss(values_BT, expected.values_BT[part], expected.returns_BT[part], clip)
    return masked_sum(loss_BT, piece.rollout.mask_BT) / batch.tokens


def critic_values(critic: Engine, rollout: Rollout) -> Tensor:
    """V of the text before each sampled token, float32 (B, T), by a model whose head gives one number."""
    return completion_logits(critic.model, rollout)[..., 0].float()


@torch.no_grad()
def values_before(training: Training, critic: Engine, batch: Batch) -> Tensor:
    """The critic's values (B, T) before the step's updates."""
    values_BT = torch.zeros_like(batch.rollout.logprobs_BT)
    for rows, piece in training.pieces(batch.rollout):
        values_BT[rows, : piece.mask_BT.shape[1]] = critic_values(critic, piece)
    training.session.spend(forward_tokens=batch.passed)
    return values_BT


def whiten(engine: Engine, advantages_BT: Tensor, mask_BT: Tensor, tokens: int) -> Tensor:
    """(A − mean) / std over the step's completion tokens on all ranks, of which there are `tokens`.

    A standard deviation counts as 1e-4 at least, so that a batch of equals does not become a batch of roundings.
    """
    mean, variance = moments(engine, advantages_BT, mask_BT, tokens)
    return (advantages_BT - mean) / math.sqrt(variance + 1e-8)


def explained_variance(
    engine: Engine, advantages_BT: Tensor, returns_BT: Tensor, mask_BT: Tensor, tokens: int
) -> float:
    """1 − Var(R − V) / Var(R) over the tokens of all ranks.

    advantages_BT: R − V, not whitened. Where all returns are equal there is nothing to explain, and it is 0.
    """
    _, left = moments(engine, advantages_BT, mask_BT, tokens)
    _, variance = moments(engine, returns_BT, mask_BT, tokens)
    return 1 - left / variance if variance else 0.0


def moments(engine: Engine, values_BT: Tensor, mask_BT: Tensor, tokens: int) -> tuple[float, float]:
    """Mean and variance over the unmasked tokens of all ranks, summed in float64."""
    (total,) = engine.sum(masked_sum(values_BT.double(), mask_BT).item())
    mean = total / tokens
    (squares,) = engine.sum(masked_sum((values_BT.double() - mean).square(), mask_BT).item())
    return mean, squares / tokens
