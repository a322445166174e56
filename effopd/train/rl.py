"""Reinforcement learning from verifiable rewards: GRPO (arXiv 2402.03300) and DAPO (arXiv 2503.14476)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from transformers import PreTrainedModel

from effopd.losses.policy_gradient import (
    clipped_surrogate,
    group_advantages,
    reference_kl,
    sequence_mean,
    with_variance,
)
from effopd.losses.tokens import masked_sum
from effopd.params.rl import RLParams
from effopd.rollout.sampler import Sampler
from effopd.tasks.problems import Problem
from effopd.train.batch import Sums, batches
from effopd.train.engine import Engine
from effopd.train.forward import chunks
from effopd.train.scoring import model_logprobs, policy_scores
from effopd.train.session import Session


def reinforce(
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
    """Train the engine's model in place: sample a group for each prompt, reward it, and follow the advantage in it.

    GRPO takes the mean over completions of their means over tokens, and pulls towards the reference. DAPO takes the
    mean over the tokens of the groups that have variance, with a higher clip above, and has no reference to pull to:
    its divergence is logged alone.
    """
    dapo = params.algorithm == "dapo"
    prompts, group = params.prompts_per_step, params.group_size
    for step, batch in batches(session, engine, sampler, problems, prompts, seed=seed, group=group):
        rewards_GN = batch.rewards_B.view(-1, group)
        advantages_B = group_advantages(rewards_GN).flatten()
        kept_BT = with_variance(rewards_GN).repeat_interleave(group)[:, None] * batch.rollout.mask_BT
        (kept_tokens,) = engine.sum(kept_BT.sum().item())

        for update in range(params.updates_per_batch):
            sums = Sums()
            for rows, chunk in chunks(batch.rollout, micro_batch):
                policy_BT, entropy_BT = policy_scores(engine, chunk, loss_chunk)
                reference_BT = model_logprobs(reference, chunk, loss_chunk)
                high = params.clip_high if dapo else params.clip
                advantages_B1 = advantages_B[rows, None]
                surrogate_BT = clipped_surrogate(policy_BT, chunk.logprobs_BT, advantages_B1, params.clip, high)
                kl_BT = reference_kl(policy_BT, reference_BT)
                if dapo:
                    kept = kept_BT[rows, : chunk.mask_BT.shape[1]]
                    chunk_loss = masked_sum(surrogate_BT, kept) / max(kept_tokens, 1)
                else:
                    loss_B = sequence_mean(surrogate_BT + params.kl_coefficient * kl_BT, chunk.mask_BT)
                    chunk_loss = loss_B.sum() / batch.size
                engine.backward(chunk_loss)
                sums.add(chunk, chunk_loss, policy_BT, kl_BT, entropy_BT)
            if update == 0:  # later updates differ from the sampler by design
                mismatch = sums.mismatch.check(engine, batch.tokens, mismatch_budget, step)
            grad_norm = engine.step(step)
        session.log(**sums.row(engine, batch), **mismatch, grad_norm=grad_norm)
