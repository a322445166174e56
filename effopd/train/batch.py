"""What a step works on: prompts of the training set and the completions that the model in training gave them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from effopd.losses.tokens import masked_sum
from effopd.rollout.sampler import Rollout, Sampler
from effopd.seeding import derive_seed, shuffled_batch, uniforms
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import check_gradable, score_all
from effopd.train.engine import Engine
from effopd.train.mismatch import Mismatch
from effopd.train.session import Session


@dataclass(frozen=True)
class Batch:
    """One step's completions on this rank, those of a prompt side by side.

    size, tokens: how many completions and tokens all ranks have together.
    """

    problems: Sequence[Problem]
    rollout: Rollout
    size: int
    tokens: int

    @cached_property
    def rewards_B(self) -> Tensor:
        """What the problems' verifiers say of the completions."""
        return torch.tensor(score_all(self.problems, self.rollout.texts)).to(self.rollout.mask_BT.device)


def batches(
    session: Session,
    engine: Engine,
    sampler: Sampler,
    problems: Sequence[Problem],
    prompts: int,
    *,
    seed: int,
    group: int = 1,
) -> Iterator[tuple[int, Batch]]:
    """Each step that is still to do, with `group` completions of each of its prompts, sampled from the present weights.

    The set is shuffled anew for every pass over it. Raises `SandboxError` before the first step where programs are
    asked for and cannot be run.
    """
    check_gradable(problems)
    for step in session.steps():
        chosen = shuffled_batch(seed, "prompts", step, prompts, len(problems))
        size = len(chosen) * group
        mine = [problems[chosen[i]] for i in engine.share(len(chosen)) for _ in range(group)]
        numbers_BT = uniforms(derive_seed(seed, "rollout", step), engine.share(size), sampler.max_new_tokens)
        sampler.refresh(step - 1)
        rollout = sampler.sample([problem.prompt for problem in mine], numbers_BT)
        (tokens,) = engine.sum(rollout.mask_BT.sum().item())
        session.count(sampled_tokens=int(tokens))
        yield step, Batch(mine, rollout, size, int(tokens))


@dataclass
class Sums:
    """What one pass over a batch adds up over this rank's micro-batches, to be logged.

    kl: to the teacher in distillation, to the reference in reinforcement learning.
    """

    loss: float = 0.0
    kl: float = 0.0
    entropy: float = 0.0
    mismatch: Mismatch = field(default_factory=Mismatch)

    def add(self, chunk: Rollout, loss: Tensor, student_BT: Tensor, kl_BT: Tensor, entropy_BT: Tensor) -> None:
        self.loss += loss.item()
        self.kl += masked_sum(kl_BT.detach(), chunk.mask_BT).item()
        self.entropy += masked_sum(entropy_BT, chunk.mask_BT).item()
        self.mismatch.add(student_BT, chunk)

    def row(self, engine: Engine, batch: Batch) -> dict[str, float]:
        """The columns that every algorithm logs, over all ranks: of this pass, and of the step's completions."""
        loss, kl, entropy, correct, truncated = engine.sum(
            self.loss, self.kl, self.entropy, batch.rewards_B.sum().item(), batch.rollout.truncated_B.sum().item()
        )
        return {
            "loss": loss,
            "accuracy": correct / batch.size,
            "reverse_kl": kl / batch.tokens,
            "entropy": entropy / batch.tokens,
            "completion_length": batch.tokens / batch.size,
            "truncated": truncated / batch.size,
            "tokens": batch.tokens,
        }
