"""What a distillation loss may look at: the student's own tokens, as student, teacher and sampler see them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from effopd.losses.tokens import token_logprobs


@dataclass(frozen=True)
class Seen:
    """Sampled tokens, of any shape (…), under everybody concerned.

    student_X, teacher_X: over the same outcomes, as logits or log-probabilities (…, X).
    student: log π of the tokens as the student is trained. sampler: under the model that sampled them.
    reference: under the student before training.
    told: under the teacher, where outcomes are not the tokens of the vocabulary.
    log_ratio_cap: how far, in nats, the teacher's log π may be from the student's, so that a token which it all but
    rules out (a server says -9999 for -inf) does not outweigh all others.
    """

    student_X: Tensor
    teacher_X: Tensor
    tokens: Tensor
    student: Tensor
    sampler: Tensor
    reference: Tensor
    told: Tensor | None = None
    log_ratio_cap: float = math.inf

    @property
    def teacher(self) -> Tensor:
        """log π of the tokens under the teacher."""
        return token_logprobs(self.teacher_X, self.tokens) if self.told is None else self.told


Loss = Callable[[Seen], Tensor]
"""From what is seen of tokens (…) to a loss for each (…)."""
