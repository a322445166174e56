"""A teacher in this process, run by transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from effopd.losses.buckets import bucket_logprobs
from effopd.losses.chunked import over_chunks
from effopd.losses.tokens import token_logprobs
from effopd.params.teacher import SAMPLED, WHOLE
from effopd.rollout.sampler import Rollout
from effopd.train.forward import completion_logits, completion_states, own_logits
from effopd.train.judgement import Full, Judgement, Top


@dataclass(frozen=True)
class LocalTeacher:
    """top_k: as in the params. With chunks its last hidden states are kept, and its logits are made for a few tokens at
    a time."""

    model: PreTrainedModel
    top_k: int = WHOLE

    @torch.no_grad()
    def judge(self, rollout: Rollout, names: Sequence[str], loss_chunk: int) -> Judgement:  # noqa: ARG002
        if self.top_k != WHOLE:
            return Top(self._top(rollout, loss_chunk))
        if loss_chunk == 0:
            return Full((completion_logits(self.model, rollout),), as_they_are)
        return Full((completion_states(self.model, self.model, rollout),), self._logits)

    def _logits(self, states_H: Tensor) -> Tensor:
        """At the teacher's own precision, also inside the forward pass of a student under autocast."""
        with torch.autocast(states_H.device.type, enabled=False):
            return own_logits(self.model, states_H)

    def _top(self, rollout: Rollout, loss_chunk: int) -> tuple[Tensor, Tensor, Tensor]:
        def likeliest(logits_V: Tensor, tokens: Tensor) -> tuple[Tensor, ...]:
            if self.top_k == SAMPLED:
                ids_K = tokens[..., None]
            else:
                ids_K = logits_V.topk(min(self.top_k, logits_V.shape[-1]), dim=-1).indices
            return ids_K, bucket_logprobs(logits_V, ids_K), token_logprobs(logits_V, tokens)

        if loss_chunk == 0:
            ids_BTK, logprobs_BTK1, sampled_BT = likeliest(completion_logits(self.model, rollout), rollout.tokens_BT)
            return ids_BTK, logprobs_BTK1, sampled_BT
        kept_BT = rollout.mask_BT.bool()
        states_NH = completion_states(self.model, self.model, rollout)[kept_BT]
        found = over_chunks(
            lambda states_H, tokens: likeliest(own_logits(self.model, states_H), tokens),
            loss_chunk,
            states_NH,
            rollout.tokens_BT[kept_BT],
        )
        ids_BTK, logprobs_BTK1, sampled_BT = (_scattered(rows, kept_BT) for rows in found)
        return ids_BTK, logprobs_BTK1, sampled_BT


def as_they_are(logits_V: Tensor) -> Tensor:
    return logits_V


def _scattered(rows_N: Tensor, kept_BT: Tensor) -> Tensor:
    """Rows (N, …) of the unmasked tokens in their places, (B, T, …)."""
    placed = rows_N.new_zeros(*kept_BT.shape, *rows_N.shape[1:])
    placed[kept_BT] = rows_N
    return placed
