"""One forward pass over completions, shared by students, teachers and references."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from transformers import PreTrainedModel

from effopd.rollout.sampler import Rollout


def completion_logits(model: PreTrainedModel, rollout: Rollout) -> Tensor:
    """Logits (B, T, V) that predict each sampled token from the prompt and the tokens before it."""
    sequences_BL = torch.cat([rollout.prompts_BP, rollout.tokens_BT], dim=-1)
    attention_BL = torch.cat([rollout.prompt_mask_BP, rollout.mask_BT.to(rollout.prompt_mask_BP.dtype)], dim=-1)
    positions_BL = (attention_BL.cumsum(-1) - 1).clamp(min=0)
    width = rollout.tokens_BT.shape[1]
    outputs = model(
        sequences_BL, attention_mask=attention_BL, position_ids=positions_BL, logits_to_keep=width + 1, use_cache=False
    )
    return outputs.logits[:, :-1]


def chunks(rollout: Rollout, size: int) -> Iterator[tuple[slice, Rollout]]:
    """The rollout in pieces of at most `size` sequences, each cut to its own longest completion."""
    for start in range(0, len(rollout.texts), size):
        rows = slice(start, start + size)
        width = int(rollout.lengths_B[rows].max())
        yield (
            rows,
            Rollout(
                prompts_BP=rollout.prompts_BP[rows],
                prompt_mask_BP=rollout.prompt_mask_BP[rows],
                tokens_BT=rollout.tokens_BT[rows, :width],
                mask_BT=rollout.mask_BT[rows, :width],
                logprobs_BT=rollout.logprobs_BT[rows, :width],
                truncated_B=rollout.truncated_B[rows],
                texts=rollout.texts[rows],
            ),
        )
