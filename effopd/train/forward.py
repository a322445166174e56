"""One forward pass over completions, shared by students, teachers and references."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from effopd.rollout.sampler import Rollout, take


def completion_logits(model: Any, rollout: Rollout) -> Tensor:
    """Logits (B, T, V) that predict each sampled token from the prompt and the tokens before it."""
    return _forward(model, rollout, logits_to_keep=rollout.tokens_BT.shape[1] + 1).logits[:, :-1]


def completion_states(model: Any, module: PreTrainedModel, rollout: Rollout) -> Tensor:
    """The last hidden states (B, T, H) whose projections by `output_head` are `completion_logits`.

    model: `module` itself, or an engine's wrapper around it. The whole model runs, but for the projection of all
    positions save one, so that whatever a wrapper hangs on a forward pass happens.
    """
    captured: list[Tensor] = []
    hook = module.get_decoder().register_forward_hook(lambda *call: captured.append(call[2].last_hidden_state))
    try:
        _forward(model, rollout, logits_to_keep=1)
    finally:
        hook.remove()
    return captured[0][:, -rollout.tokens_BT.shape[1] - 1 : -1]


def scores_at_head(model: Any, module: PreTrainedModel, rollout: Rollout, score: Callable[..., Tensor]) -> Tensor:
    """`score(states, project)` from last hidden states (B, T, H) and their projection to logits; result (B, T, K).

    It runs in the place of the output head, whose weights a wrapper may gather before it and scatter behind it: once
    in the forward and once in the backward pass, on every rank, however often `score` projects.
    """
    head = output_head(module)
    project = head.forward
    head.forward = lambda states_BSH: score(states_BSH[:, :-1], project)
    try:
        return _forward(model, rollout, logits_to_keep=rollout.tokens_BT.shape[1] + 1).logits
    finally:
        head.forward = project


def output_head(module: PreTrainedModel) -> nn.Module:
    """The projection from last hidden states to logits."""
    return module.get_output_embeddings()


def _forward(model: Any, rollout: Rollout, logits_to_keep: int) -> Any:
    sequences_BL = torch.cat([rollout.prompts_BP, rollout.tokens_BT], dim=-1)
    attention_BL = torch.cat([rollout.prompt_mask_BP, rollout.mask_BT.to(rollout.prompt_mask_BP.dtype)], dim=-1)
    positions_BL = (attention_BL.cumsum(-1) - 1).clamp(min=0)
    return model(
        sequences_BL,
        attention_mask=attention_BL,
        position_ids=positions_BL,
        logits_to_keep=logits_to_keep,
        use_cache=False,
    )


def chunks(rollout: Rollout, size: int) -> Iterator[tuple[slice, Rollout]]:
    """The rollout in pieces of at most `size` sequences, each cut to its own longest prompt and completion."""
    for start in range(0, len(rollout.texts), size):
        rows = slice(start, start + size)
        yield rows, take(rollout, rows)
