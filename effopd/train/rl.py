"""Reinforcement learning from verifiable rewards: GRPO (arXiv 2402.03300) and DAPO (arXiv 2503.14476)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
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
from effopd.seeding import derive_seed, shuffled_batch, uniforms
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import check_gradable, score_all
from effopd.train.engine import Engine
from effopd.train.forward import chunks
from effopd.train.mismatch import Mismatch
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
    check_gradable(problems)
    dapo = params.algorithm == "dapo"
    sampled_tokens = session.total("sampled_tokens")
    sampler.refresh(session.state.step)  # a resumed run's weights are not those that the sampler was made with
    for step in session.steps():
        batch = shuffled_batch(seed, "prompts", step, params.prompts_per_step, len(problems))
        size = len(batch) * params.group_size
        group = [problems[batch[i]] for i in engine.share(len(batch)) for _ in range(params.group_size)]
        numbers_BT = uniforms(derive_seed(seed, "rollout", step), engine.share(size), sampler.max_new_tokens)
        rollout = sampler.sample([problem.prompt for problem in group], numbers_BT)
        rewards_B = torch.tensor(score_all(group, rollout.texts))
        rewards_GN = rewards_B.view(-1, params.group_size).to(rollout.mask_BT.device)
        advantages_B = group_advantages(rewards_GN).flatten()
        kept_BT = with_variance(rewards_GN).repeat_interleave(params.group_size)[:, None] * rollout.mask_BT
        tokens, kept_tokens = (int(count) for count in engine.sum(rollout.mask_BT.sum().item(), kept_BT.sum().item()))

        for update in range(params.updates_per_batch):
            loss = kl = entropy_sum = 0.0
            mismatch = Mismatch()
            for rows, chunk in chunks(rollout, micro_batch):
                policy_BT, entropy_BT = policy_scores(engine, chunk, loss_chunk)
                reference_BT = model_logprobs(reference, chunk, loss_chunk)
                high = params.clip_high if dapo else params.clip
                surrogate_BT = clipped_surrogate(policy_BT, chunk.logprobs_BT, advantages_B[rows], params.clip, high)
                kl_BT = reference_kl(policy_BT, reference_BT)
                if dapo:
                    kept = kept_BT[rows, : chunk.mask_BT.shape[1]]
                    chunk_loss = masked_sum(surrogate_BT, kept) / max(kept_tokens, 1)
                else:
                    loss_B = sequence_mean(surrogate_BT + params.kl_coefficient * kl_BT, chunk.mask_BT)
                    chunk_loss = loss_B.sum() / size
                engine.backward(chunk_loss)
                loss += chunk_loss.item()
                kl += masked_sum(kl_BT.detach(), chunk.mask_BT).item()
                entropy_sum += masked_sum(entropy_BT, chunk.mask_BT).item()
                mismatch.add(policy_BT, chunk)
            if update == 0:  # later updates differ from the sampler by design
                mismatch_row = mismatch.check(engine, tokens, mismatch_budget, step)
            grad_norm = engine.step(step)
        sampler.refresh(step)

        sampled_tokens += tokens
        loss, kl, entropy_sum, correct, truncated = engine.sum(
            loss, kl, entropy_sum, rewards_B.sum().item(), rollout.truncated_B.sum().item()
        )
        session.log(
            loss=loss,
            accuracy=correct / size,
            reverse_kl=kl / tokens,
            entropy=entropy_sum / tokens,
            **mismatch_row,
            completion_length=tokens / size,
            truncated=truncated / size,
            grad_norm=grad_norm,
            tokens=tokens,
            sampled_tokens=sampled_tokens,
        )
