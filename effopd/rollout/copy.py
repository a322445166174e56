"""Sampling from a copy of the weights, where the model in training is scattered over ranks (ZeRO stage 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.rollout.sampler import Rollout, sample


class CopySampler:
    """A whole model on every rank, overwritten by the trained weights at each `refresh`.

    each_weight: yields the weights in training by name, one whole tensor at a time, on all ranks in the same order.
    """

    def __init__(
        self,
        copy: PreTrainedModel,
        each_weight: Callable[[], Iterable[tuple[str, Tensor]]],
        tokenizer: PreTrainedTokenizerBase,
        max_new_tokens: int,
    ) -> None:
        self.max_new_tokens = max_new_tokens
        self._copy, self._each_weight, self._tokenizer = copy, each_weight, tokenizer
        self._weights = dict(copy.named_parameters())

    def sample(self, prompts: Sequence[str], uniforms_BT: NDArray[np.float64]) -> Rollout:
        return sample(self._copy, self._tokenizer, prompts, self.max_new_tokens, uniforms_BT)

    @torch.no_grad()
    def refresh(self, step: int) -> None:  # noqa: ARG002
        for name, whole in self._each_weight():
            self._weights[name].copy_(whole)
