"""How far the sampler's log-probabilities are from the trainer's: logged each step, and bounded.

The two compute the same model with other kernels, or another precision; a sampler that missed an update of the weights
shows here too. The `sampled` loss corrects by truncated importance weights, the other losses do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from effopd.losses.tokens import masked_sum
from effopd.rollout.sampler import Rollout
from effopd.train.engine import Runner


class MismatchError(ArithmeticError):
    """Sampler and trainer disagree by more than the budget. The message names the step and both numbers."""


@dataclass
class Mismatch:
    """Sums over one step's tokens on this rank: |Δ|, −Δ, e^Δ and e^2Δ with Δ = log π_trainer − log π_sampler."""

    absolute: float = 0.0
    kl: float = 0.0
    ratio: float = 0.0
    square: float = 0.0

    @torch.no_grad()
    def add(self, trainer_BT: Tensor, rollout: Rollout) -> None:
        difference_BT = trainer_BT - rollout.logprobs_BT
        self.absolute += masked_sum(difference_BT.abs(), rollout.mask_BT).item()
        self.kl -= masked_sum(difference_BT, rollout.mask_BT).item()
        self.ratio += masked_sum(difference_BT.exp(), rollout.mask_BT).item()
        self.square += masked_sum(difference_BT.double().exp().square(), rollout.mask_BT).item()

    def effective(self, engine: Runner, tokens: int) -> float:
        """The share of the step's tokens that still count as samples of the trainer's model: (Σ w)² / (N Σ w²).

        w = π_trainer / π_sampler; 1 when the two agree, 0 when a weight overflows.
        """
        ratio, square = engine.sum(self.ratio, self.square)
        share = ratio**2 / (tokens * square) if square else 0.0
        return share if math.isfinite(share) else 0.0

    def check(self, engine: Runner, tokens: int, budget: float, step: int) -> dict[str, float]:
        """Means over the step's tokens on all ranks, as rows to log.

        sampler_mismatch: mean |Δ|, in nats. sampler_kl: estimate of KL(sampler ‖ trainer). sampler_ratio: mean of
        π_trainer / π_sampler, 1 when they agree. Raises `MismatchError` when mean |Δ| is over the budget or NaN.
        """
        absolute, kl, ratio = (total / tokens for total in engine.sum(self.absolute, self.kl, self.ratio))
        if not absolute <= budget:
            raise MismatchError(
                f"step {step}: sampler and trainer differ by {absolute:.3g} nats a token on average, more than "
                f"rollout.mismatch_budget {budget:g}; the sampler computes something else, or missed the last weights"
            )
        return {"sampler_mismatch": absolute, "sampler_kl": kl, "sampler_ratio": ratio}
