"""What all reinforcement learning does alike: completions with their rewards, and a step's row of logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from effopd.losses.tokens import masked_sum
from effopd.params.rl import RLParams
from effopd.rollout.sampler import Rollout, Sampler
from effopd.seeding import derive_seed, shuffled_batch, uniforms
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import score_all
from effopd.train.engine import Engine
from effopd.train.mismatch import Mismatch


@dataclass(frozen=True)
class Rewarded:
    """One step's completions on this rank, those of a prompt side by side, with their rewards.

    size, tokens: how many completions and tokens all ranks have together.
    """

    rollout: Rollout
    rewards_B: Tensor
    size: int
    tokens: int


def sample_rewarded(
    engine: Engine, sampler: Sampler, problems: Sequence[Problem], params: RLParams, seed: int, step: int
) -> Rewarded:
    """Sample a group for each prompt of `step`, and let the problems' verifiers reward it."""
    batch = shuffled_batch(seed, "prompts", step, params.prompts_per_step, len(problems))
    size = len(batch) * params.group_size
    group = [problems[batch[i]] for i in engine.share(len(batch)) for _ in range(params.group_size)]
    numbers_BT = uniforms(derive_seed(seed, "rollout", step), engine.share(size), sampler.max_new_tokens)
    rollout = sampler.sample([problem.prompt for problem in group], numbers_BT)
    rewards_B = torch.tensor(score_all(group, rollout.texts)).to(rollout.mask_BT.device)
    (tokens,) = engine.sum(rollout.mask_BT.sum().item())
    return Rewarded(rollout, rewards_B, size, int(tokens))


@dataclass
class PolicySums:
    """What an update of the policy adds up over this rank's micro-batches, to be logged."""

    loss: float = 0.0
    kl: float = 0.0
    entropy: float = 0.0
    mismatch: Mismatch = field(default_factory=Mismatch)

    def add(self, chunk: Rollout, loss: Tensor, policy_BT: Tensor, kl_BT: Tensor, entropy_BT: Tensor) -> None:
        self.loss += loss.item()
        self.kl += masked_sum(kl_BT.detach(), chunk.mask_BT).item()
        self.entropy += masked_sum(entropy_BT, chunk.mask_BT).item()
        self.mismatch.add(policy_BT, chunk)

    def row(self, engine: Engine, rewarded: Rewarded) -> dict[str, float]:
        """The columns that every algorithm logs, over all ranks: of this update, and of the step's completions."""
        loss, kl, entropy, correct, truncated = engine.sum(
            self.loss, self.kl, self.entropy,
            rewarded.rewards_B.sum().item(), rewarded.rollout.truncated_B.sum().item(),
        )  # fmt: skip
        return {
            "loss": loss,
            "accuracy": correct / rewarded.size,
            "reverse_kl": kl / rewarded.tokens,
            "entropy": entropy / rewarded.tokens,
            "completion_length": rewarded.tokens / rewarded.size,
            "truncated": truncated / rewarded.size,
            "tokens": rewarded.tokens,
        }
