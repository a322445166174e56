"""Reinforcement learning from verifiable rewards: GRPO (arXiv 2402.03300)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.losses.policy_gradient import clipped_surrogate, group_advantages, reference_kl, sequence_mean
from effopd.losses.tokens import entropy, masked_sum, token_logprobs
from effopd.params.rl import RLParams
from effopd.rollout.sampler import sample
from effopd.seeding import derive_seed, shuffled_batch, uniforms
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import score
from effopd.train.engine import TorchEngine
from effopd.train.forward import chunks, completion_logits
from effopd.train.session import Session


def reinforce(
    policy: PreTrainedModel,
    reference: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    params: RLParams,
    engine: TorchEngine,
    session: Session,
    *,
    seed: int,
    max_new_tokens: int,
    micro_batch: int,
) -> None:
    """Train `policy` in place: sample a group for each prompt, reward it, and follow the group-relative advantage."""
    sampled_tokens = session.total("sampled_tokens")
    for step in session.steps():
        batch = shuffled_batch(seed, "prompts", step, params.prompts_per_step, len(problems))
        group = [problems[i] for i in batch for _ in range(params.group_size)]
        numbers_BT = uniforms(derive_seed(seed, "rollout", step), range(len(group)), max_new_tokens)
        rollout = sample(policy, tokenizer, [problem.prompt for problem in group], max_new_tokens, numbers_BT)
        rewards_B = torch.tensor([score(problem, text) for problem, text in zip(group, rollout.texts, strict=True)])
        advantages_B = group_advantages(rewards_B.view(-1, params.group_size)).flatten()

        for _ in range(params.updates_per_batch):
            loss = kl = entropy_sum = 0.0
            for rows, chunk in chunks(rollout, micro_batch):
                logits_BTV = completion_logits(policy, chunk)
                policy_BT = token_logprobs(logits_BTV, chunk.tokens_BT)
                with torch.no_grad():
                    reference_BT = token_logprobs(completion_logits(reference, chunk), chunk.tokens_BT)
                    entropy_sum += masked_sum(entropy(logits_BTV), chunk.mask_BT).item()
                surrogate_BT = clipped_surrogate(policy_BT, chunk.logprobs_BT, advantages_B[rows], params.clip)
                kl_BT = reference_kl(policy_BT, reference_BT)
                loss_B = sequence_mean(surrogate_BT + params.kl_coefficient * kl_BT, chunk.mask_BT)
                chunk_loss = loss_B.sum() / len(group)
                chunk_loss.backward()
                loss += chunk_loss.item()
                kl += masked_sum(kl_BT.detach(), chunk.mask_BT).item()
            grad_norm = engine.step(step)

        tokens = int(rollout.mask_BT.sum())
        sampled_tokens += tokens
        session.log(
            loss=loss,
            accuracy=rewards_B.mean().item(),
            reverse_kl=kl / tokens,
            entropy=entropy_sum / tokens,
            completion_length=tokens / len(group),
            truncated=rollout.truncated_B.float().mean().item(),
            grad_norm=grad_norm,
            tokens=tokens,
            sampled_tokens=sampled_tokens,
        )
