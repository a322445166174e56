"""What a teacher says of completions: all of its distribution at every token, or its likeliest tokens alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from effopd.losses.buckets import bucket_logprobs
from effopd.rollout.sampler import Rollout


@dataclass(frozen=True)
class Full:
    """Outcomes are the tokens of the vocabulary; `logits` makes the teacher's from what is given: (…, V)."""

    given: tuple[Tensor, ...]
    logits: Callable[..., Tensor]

    def outcomes(self, student_V: Tensor, *given: Tensor) -> tuple[Tensor, Tensor]:
        return student_V, self.logits(*given)

    def told(self, *given: Tensor) -> Tensor | None:  # noqa: ARG002
        return None


@dataclass(frozen=True)
class Top:
    """Outcomes are K tokens, the teacher's likeliest or the sampled one, and any other.

    given: ids (B, T, K); log π of each, and last of all others, (B, T, K + 1); log π of the sampled token (B, T).
    """

    given: tuple[Tensor, ...]

    def outcomes(self, student_V: Tensor, *given: Tensor) -> tuple[Tensor, Tensor]:
        ids_K, teacher_K1, _ = given
        return bucket_logprobs(student_V, ids_K), teacher_K1

    def told(self, *given: Tensor) -> Tensor | None:
        return given[2]


Judgement = Full | Top
"""One rollout under one teacher, or under several with equally many outcomes.

given: tensors (B, T, …) that hold what is known of each token; the methods take them for any rows (…) of tokens.
outcomes: student and teacher over the same outcomes, as logits or log-probabilities (…, X). told: the teacher's log π
of the sampled tokens (…), where outcomes are not those of the vocabulary.
"""


class Teacher(Protocol):
    def judge(self, rollout: Rollout, names: Sequence[str], loss_chunk: int) -> Judgement:
        """Score every sampled token; without gradient.

        names: of each of the B completions, the teacher that its problem asks for. loss_chunk: as `distill`'s.
        """
