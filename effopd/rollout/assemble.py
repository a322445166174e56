"""A rollout from what an engine returns row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from effopd.models.tokenizer import decode_completions
from effopd.rollout.sampler import Rollout


def assemble(
    prompts: tuple[Tensor, Tensor],
    completions: Sequence[tuple[Sequence[int], Sequence[float]]],
    ends: Sequence[int],
    tokenizer: PreTrainedTokenizerBase,
) -> Rollout:
    """prompts: ids (B, P) and mask (B, P). completions: sampled tokens, the end token included, and their log π."""
    tokens = [torch.tensor(row) for row, _ in completions]
    tokens_BT = pad_sequence(tokens, batch_first=True, padding_value=tokenizer.pad_token_id)
    mask_BT = pad_sequence([torch.ones(len(row)) for row in tokens], batch_first=True)
    return Rollout(
        prompts_BP=prompts[0],
        prompt_mask_BP=prompts[1],
        tokens_BT=tokens_BT,
        mask_BT=mask_BT,
        logprobs_BT=pad_sequence([torch.tensor(row) for _, row in completions], batch_first=True),
        truncated_B=torch.tensor([row[-1].item() not in ends for row in tokens]),
        texts=decode_completions(tokenizer, tokens_BT, mask_BT),
    )


def unpadded(tokens_BL: Tensor, mask_BL: Tensor) -> list[list[int]]:
    """The unmasked token ids of each row."""
    return [row[kept.bool()].tolist() for row, kept in zip(tokens_BL, mask_BL, strict=True)]


def moved(rollout: Rollout, device: torch.device) -> Rollout:
    """The same rollout on a device."""
    tensors = {f.name: v.to(device) for f in fields(rollout) if isinstance(v := getattr(rollout, f.name), Tensor)}
    return replace(rollout, texts=rollout.texts, **tensors)
