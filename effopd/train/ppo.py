"""Reinforcement learning with a critic: PPO (arXiv 1707.06347), as language models use it (arXiv 2203.02155)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from effopd.losses.policy_gradient import clipped_surrogate, reference_kl
from effopd.losses.tokens import masked_sum
from effopd.losses.value import clipped_value_loss, generalised_advantages
from effopd.params.rl import RLParams
from effopd.rollout.sampler import Rollout, Sampler
from effopd.tasks.problems import Problem
from effopd.train.batch import Sums, batches
from effopd.train.engine import Engine, NonFiniteError
from effopd.train.forward import chunks
from effopd.train.scoring import critic_values, model_logprobs, policy_scores
from effopd.train.session import Session


def reinforce_with_critic(
    critic: Engine,
    engine: Engine,
    sampler: Sampler,
    reference: PreTrainedModel,
    problems: Sequence[Problem],
    params: RLParams,
    session: Session,
    *,
    seed: int,
    micro_batch: int,
    loss_chunk: int = 0,
    mismatch_budget: float = math.inf,
) -> None:
    """Train the engine's model and the critic in place: each token has an advantage over what the critic expected.

    Losses are means over the completion tokens of the step, and pull towards the reference. Several completions of a
    prompt, or one, are the same to the algorithm. Raises `NonFiniteError` that names the step when a value, or a
    gradient of either model, is not finite.
    """
    prompts, group = params.prompts_per_step, params.group_size
    for step, batch in batches(session, engine, sampler, problems, prompts, seed=seed, group=group):
        rollout, tokens = batch.rollout, batch.tokens
        old_BT = values_before(critic, rollout, micro_batch)
        advantages_BT = generalised_advantages(batch.rewards_B, old_BT, rollout.mask_BT, params.gae_lambda)
        returns_BT = advantages_BT + old_BT
        explained = explained_variance(engine, advantages_BT, returns_BT, rollout.mask_BT, tokens)
        if not math.isfinite(explained):
            raise NonFiniteError(f"step {step}: the critic's values are not finite")
        advantages_BT = whiten(engine, advantages_BT, rollout.mask_BT, tokens)

        for update in range(params.updates_per_batch):
            sums, value_loss = Sums(), 0.0
            for rows, chunk in chunks(rollout, micro_batch):
                part = rows, slice(chunk.mask_BT.shape[1])
                policy_BT, entropy_BT = policy_scores(engine, chunk, loss_chunk)
                reference_BT = model_logprobs(reference, chunk, loss_chunk)
                surrogate_BT = clipped_surrogate(
                    policy_BT, chunk.logprobs_BT, advantages_BT[part], params.clip, params.clip
                )
                kl_BT = reference_kl(policy_BT, reference_BT)
                chunk_loss = masked_sum(surrogate_BT + params.kl_coefficient * kl_BT, chunk.mask_BT) / tokens
                engine.backward(chunk_loss)
                sums.add(chunk, chunk_loss, policy_BT, kl_BT, entropy_BT)

                values_BT = critic_values(critic, chunk)
                value_loss_BT = clipped_value_loss(values_BT, old_BT[part], returns_BT[part], params.value_clip)
                chunk_value_loss = masked_sum(value_loss_BT, chunk.mask_BT) / tokens
                critic.backward(chunk_value_loss)
                value_loss += chunk_value_loss.item()
            if update == 0:  # later updates differ from the sampler by design
                mismatch = sums.mismatch.check(engine, tokens, mismatch_budget, step)
            grad_norm, critic_grad_norm = engine.step(step), critic.step(step)
        session.log(
            **sums.row(engine, batch),
            **mismatch,
            grad_norm=grad_norm,
            value_loss=engine.sum(value_loss)[0],
            explained_variance=explained,
            critic_grad_norm=critic_grad_norm,
        )


@torch.no_grad()
def values_before(critic: Engine, rollout: Rollout, micro_batch: int) -> Tensor:
    """The critic's values (B, T) before the step's updates."""
    values_BT = torch.zeros_like(rollout.logprobs_BT)
    for rows, chunk in chunks(rollout, micro_batch):
        values_BT[rows, : chunk.mask_BT.shape[1]] = critic_values(critic, chunk)
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
    """1 − Var(R − V) / Var(R) over the tokens of all ranks: 1 of a perfect critic, 0 of a constant.

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
