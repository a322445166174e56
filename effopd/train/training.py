"""What every loop that samples works with: the parties, a step's completions, and what is added up over them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from effopd.losses.tokens import masked_sum
from effopd.rollout.sampler import Rollout, Sampler
from effopd.seeding import derive_seed, shuffled_batch, uniforms
from effopd.tasks.problems import UNGRADED, Problem
from effopd.tasks.verdict import Verdict
from effopd.tasks.verifiers import check_gradable, verify_all
from effopd.train.engine import Engine
from effopd.train.forward import chunks
from effopd.train.mismatch import Mismatch
from effopd.train.session import Session


@dataclass(frozen=True)
class Batch:
    """One step's completions on this rank, those of a prompt side by side.

    size, tokens: how many completions and tokens of these all ranks have together. passed: with their prompts' tokens.
    """

    problems: Sequence[Problem]
    rollout: Rollout
    size: int
    tokens: int
    passed: int

    @cached_property
    def rewards_B(self) -> Tensor:
        """What the problems' verifiers say of the completions, 0 where they cannot: that group has no variance."""
        scores_B = torch.tensor([verdict.score for verdict in self._verdicts])
        return scores_B.to(self.rollout.mask_BT.device) * self.judged_B

    @cached_property
    def judged_B(self) -> Tensor:
        """1 for completions of problems of which all completions could be judged, else 0."""
        unjudged = {p for p, verdict in zip(self.problems, self._verdicts, strict=True) if not verdict.judged}
        judged = [float(problem not in unjudged) for problem in self.problems]
        return torch.tensor(judged, device=self.rollout.mask_BT.device)

    @cached_property
    def _verdicts(self) -> list[Verdict]:
        return verify_all(self.problems, self.rollout.texts)


@dataclass(frozen=True)
class Training:
    """Whom a loop trains, on what, and how.

    engine: the model in training and its optimiser. sampler: draws from that model. problems: the training set.
    seed: of the order of prompts and of all samples. micro_batch: completions in one forward and backward pass.
    loss_chunk: tokens whose logits exist at once; 0: those of a micro-batch. mismatch_budget: the largest mean
    difference of log-probabilities between sampler and trainer that a step may show, in nats.
    """

    engine: Engine
    sampler: Sampler
    problems: Sequence[Problem]
    session: Session
    seed: int
    micro_batch: int
    loss_chunk: int = 0
    mismatch_budget: float = math.inf

    def batches(self, prompts: int, group: int = 1, *, rewarded: bool = True) -> Iterator[tuple[int, Batch]]:
        """Each step still to do, with `group` completions of each of its prompts, sampled from the present weights.

        The set is shuffled anew for every pass over it. rewarded: whether all of its problems need an answer. Raises
        `SandboxError` before the first step where programs are asked for and cannot be run.
        """
        engine, sampler, session = self.engine, self.sampler, self.session
        check_gradable([problem for problem in self.problems if rewarded or problem.task != UNGRADED])
        for step in session.steps():
            chosen = shuffled_batch(self.seed, "prompts", step, prompts, len(self.problems))
            size = len(chosen) * group
            mine = [self.problems[chosen[i]] for i in engine.share(len(chosen)) for _ in range(group)]
            numbers_BT = uniforms(derive_seed(self.seed, "rollout", step), engine.share(size), sampler.max_new_tokens)
            with session.timed("sampling"):
                sampler.refresh(step - 1)
                rollout = sampler.sample([problem.prompt for problem in mine], numbers_BT)
            tokens, read = engine.sum(rollout.mask_BT.sum().item(), rollout.prompt_mask_BP.sum().item())
            session.spend(batches=1, sampled_tokens=int(tokens), read_tokens=int(read))
            yield step, Batch(mine, rollout, size, int(tokens), int(tokens + read))

    def pieces(self, rollout: Rollout) -> Iterator[tuple[slice, Rollout]]:
        """Which rows of a batch go through a model together, and these."""
        return chunks(rollout, self.micro_batch)

    def check(self, sums: Sums, batch: Batch, step: int) -> dict[str, float]:
        """Columns to log of how far the sampler is from the trainer. Raises `MismatchError` over the budget."""
        return sums.mismatch.check(self.engine, batch.tokens, self.mismatch_budget, step)


@dataclass
class Sums:
    """What one pass over a batch adds up over this rank's micro-batches, to be logged.

    kl: to the teacher in distillation, to the reference in reinforcement learning. capped: tokens whose teacher was
    further from the student than `Seen.log_ratio_cap`.
    """

    loss: float = 0.0
    kl: float = 0.0
    entropy: float = 0.0
    capped: float = 0.0
    mismatch: Mismatch = field(default_factory=Mismatch)

    def add(self, chunk: Rollout, loss: Tensor, student_BT: Tensor, kl_BT: Tensor, entropy_BT: Tensor) -> None:
        self.loss += loss.item()
        self.kl += masked_sum(kl_BT.detach(), chunk.mask_BT).item()
        self.entropy += masked_sum(entropy_BT, chunk.mask_BT).item()
        self.mismatch.add(student_BT, chunk)

    def row(self, engine: Engine, batch: Batch) -> dict[str, float]:
        """The columns that every algorithm logs, over all ranks: of this pass, and of the step's completions."""
        correct, judged = batch.rewards_B.sum().item(), batch.judged_B.sum().item()
        loss, kl, entropy, correct, judged, truncated = engine.sum(
            self.loss, self.kl, self.entropy, correct, judged, batch.rollout.truncated_B.sum().item()
        )
        accuracy = {"accuracy": correct / judged} if judged else {}
        return {
            "loss": loss,
            **accuracy,
            "reverse_kl": kl / batch.tokens,
            "entropy": entropy / batch.tokens,
            "completion_length": batch.tokens / batch.size,
            "truncated": truncated / batch.size,
            "tokens": batch.tokens,
        }
