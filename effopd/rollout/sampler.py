"""Batched sampling with a key-value cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from effopd.models.precision import at_precision
from effopd.models.tokenizer import decode_completions, encode_prompts, end_tokens


@dataclass(frozen=True)
class Rollout:
    """Completions of B prompts of at most P tokens, at most T tokens long.

    prompts_BP, prompt_mask_BP: token ids and mask, left-padded.
    tokens_BT, mask_BT: sampled ids, the end token included, right-padded; mask is float32, 1 on sampled tokens.
    logprobs_BT: log π(token | prefix) under the sampled model, 0 where masked.
    truncated_B: whether the completion met the limit before an end token.
    texts: the decoded completions.
    """

    prompts_BP: Tensor
    prompt_mask_BP: Tensor
    tokens_BT: Tensor
    mask_BT: Tensor
    logprobs_BT: Tensor
    truncated_B: Tensor
    texts: list[str]

    @property
    def lengths_B(self) -> Tensor:
        return self.mask_BT.sum(-1)


def take(rollout: Rollout, rows: slice) -> Rollout:
    """Some rows, cut to their own longest prompt and completion."""
    width = int(rollout.lengths_B[rows].max())
    padding = rollout.prompts_BP.shape[1] - int(rollout.prompt_mask_BP[rows].sum(-1).max())
    return Rollout(
        prompts_BP=rollout.prompts_BP[rows, padding:],
        prompt_mask_BP=rollout.prompt_mask_BP[rows, padding:],
        tokens_BT=rollout.tokens_BT[rows, :width],
        mask_BT=rollout.mask_BT[rows, :width],
        logprobs_BT=rollout.logprobs_BT[rows, :width],
        truncated_B=rollout.truncated_B[rows],
        texts=rollout.texts[rows],
    )


class Sampler(Protocol):
    """Draws completions from the model in training, at temperature 1 from the whole vocabulary."""

    @property
    def max_new_tokens(self) -> int: ...

    def sample(self, prompts: Sequence[str], uniforms_BT: NDArray[np.float64]) -> Rollout:
        """One completion of each prompt; a row of random numbers decides its completion."""

    def refresh(self, step: int) -> None:
        """To be called after every change of the weights: later samples come from the new ones.

        step: optimiser steps behind them, for messages.
        """


@dataclass(frozen=True)
class ModelSampler:
    """Samples the very model that is trained: its weights are always the newest.

    precision: of the engine's passes; weights that these round are rounded once for all tokens of a batch.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_new_tokens: int
    precision: str = "float32"

    def sample(self, prompts: Sequence[str], uniforms_BT: NDArray[np.float64]) -> Rollout:
        training = self.model.training
        self.model.eval()  # activation checkpointing, which works in training alone, would drop the key-value cache
        try:
            with at_precision(self.precision, self.model.device):
                return sample(self.model, self.tokenizer, prompts, self.max_new_tokens, uniforms_BT)
        finally:
            self.model.train(training)

    def refresh(self, step: int) -> None:
        pass


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int,
    uniforms_BT: NDArray[np.float64] | None,
) -> Rollout:
    """Sample one completion for each prompt at temperature 1 from the whole vocabulary, or greedily.

    uniforms_BT: one number in [0, 1) for each token that may be sampled, turned into a token by inverting the
    cumulative distribution, so that a completion depends on its own row of numbers and not on its neighbours in the
    batch. None decodes greedily. Rows that have ended leave the batch: the tail of a few long completions stays cheap.
    """
    prompts_BP, prompt_mask_BP = encode_prompts(tokenizer, prompts)
    prompts_BP, prompt_mask_BP = prompts_BP.to(model.device), prompt_mask_BP.to(model.device)
    batch = len(prompts)
    ends = torch.tensor(end_tokens(model.config, tokenizer), device=model.device)
    tokens_BT = torch.full((batch, max_new_tokens), tokenizer.pad_token_id, device=model.device)
    logprobs_BT = torch.zeros((batch, max_new_tokens), device=model.device)
    mask_BT = torch.zeros((batch, max_new_tokens), device=model.device)
    alive_A = torch.arange(batch, device=model.device)  # rows of the batch that have not ended yet
    cache = DynamicCache(config=model.config)
    inputs, attention, positions = prompts_BP, prompt_mask_BP, (prompt_mask_BP.cumsum(-1) - 1).clamp(min=0)
    for t in range(max_new_tokens):
        outputs = model(
            inputs, attention_mask=attention, position_ids=positions, past_key_values=cache, logits_to_keep=1
        )
        logprobs_AV = outputs.logits[:, -1].float().log_softmax(-1)
        if uniforms_BT is None:
            next_A = logprobs_AV.argmax(-1)
        else:
            numbers_A = torch.from_numpy(uniforms_BT[alive_A.cpu().numpy(), t]).to(model.device)
            next_A = _invert_cdf(logprobs_AV, numbers_A)
        tokens_BT[alive_A, t] = next_A
        logprobs_BT[alive_A, t] = logprobs_AV.gather(-1, next_A[:, None])[:, 0]
        mask_BT[alive_A, t] = 1.0
        going_A = ~torch.isin(next_A, ends)
        if not going_A.all():
            kept = going_A.nonzero()[:, 0]
            alive_A, next_A = alive_A[kept], next_A[kept]
            attention, positions = attention[kept], positions[kept]
            cache.reorder_cache(kept)  # which keeps the rows it is given, recurrent states too
        if len(alive_A) == 0:
            break
        inputs, positions = next_A[:, None], positions[:, -1:] + 1
        attention = torch.cat([attention, attention.new_ones(len(alive_A), 1)], dim=-1)
    truncated_B = torch.zeros(batch, dtype=torch.bool, device=model.device)
    truncated_B[alive_A] = True
    width = int(mask_BT.sum(-1).max())
    tokens_BT, mask_BT, logprobs_BT = tokens_BT[:, :width], mask_BT[:, :width], logprobs_BT[:, :width]
    texts = decode_completions(tokenizer, tokens_BT, mask_BT)
    return Rollout(prompts_BP, prompt_mask_BP, tokens_BT, mask_BT, logprobs_BT, truncated_B, texts)


def _invert_cdf(logprobs_AV: Tensor, uniforms_A: Tensor) -> Tensor:
    """The first token whose cumulative probability exceeds the uniform number; float64 so that no mass is lost."""
    cumulative_AV = logprobs_AV.double().exp().cumsum(-1)
    threshold_A = uniforms_A * cumulative_AV[:, -1]
    return torch.searchsorted(cumulative_AV, threshold_A[:, None], right=True)[:, 0].clamp(
        max=logprobs_AV.shape[-1] - 1
    )
