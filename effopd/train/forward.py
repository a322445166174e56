"""One forward pass over completions, shared by students, teachers and references."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from effopd.params.section import ParamsError
from effopd.rollout.sampler import Rollout, take


def completion_logits(model: Any, rollout: Rollout) -> Tensor:
    """Logits (B, T, V) that predict each sampled token from the prompt and the tokens before it."""
    return _forward(model, rollout, logits_to_keep=rollout.tokens_BT.shape[1] + 1).logits[:, :-1]


def completion_states(model: Any, module: PreTrainedModel, rollout: Rollout) -> Tensor:
    """The last hidden states (B, T, H) of which `own_logits` makes `completion_logits`.

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
    in the forward and once in the backward pass, on every rank, however often `score` projects. What the model makes of
    the head's outputs, such as a scale or a cap, is a part of the projection, and the scores are taken before it.
    """
    head, captured = module.get_output_embeddings(), list[Tensor]()
    project = partial(own_logits, module, head=head.forward)
    head.forward = lambda states_BSH: score(states_BSH[:, :-1], project)
    hook = head.register_forward_hook(lambda *call: captured.append(call[2]))  # behind a wrapper's own
    try:
        _forward(model, rollout, logits_to_keep=rollout.tokens_BT.shape[1] + 1)
    finally:
        hook.remove()
        del head.forward
    return captured[0]


def own_logits(module: PreTrainedModel, states_H: Tensor, head: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """The logits (…, V) that a model makes of last hidden states (…, H), by its own way: scaled, capped or as they are.

    It is its forward pass with these states in the place of its decoder's. head: what to call for the output head,
    without the hooks that hang on it.
    """
    decoder, projection = module.get_decoder(), module.get_output_embeddings()
    states_1NH = states_H.reshape(1, -1, states_H.shape[-1])
    replaced = {name: _Given(child, states_1NH) for name, child in module.named_children() if child is decoder}
    if head is not None:
        replaced |= {name: _Given(child, head) for name, child in module.named_children() if child is projection}
    whole = {name: module._modules[name] for name in replaced}
    module._modules.update(replaced)
    try:
        nothing_1N = states_1NH.new_zeros(states_1NH.shape[:2], dtype=torch.int64)
        logits_1NV = type(module).forward(module, input_ids=nothing_1N, use_cache=False).logits
    finally:
        module._modules.update(whole)
    return logits_1NV.view(*states_H.shape[:-1], logits_1NV.shape[-1])


@torch.no_grad()
def check_own_logits(module: PreTrainedModel) -> None:
    """Raises `ParamsError` for a model whose logits are not to be had a few tokens at a time."""
    ids_1L, states, found = torch.tensor([[0, 1, 2]], device=module.device), list[Tensor](), None
    hook = module.get_decoder().register_forward_hook(lambda *call: states.append(call[2].last_hidden_state))
    try:
        expected_1LV = module(ids_1L, use_cache=False).logits
        found = own_logits(module, states[0])
    except Exception:  # noqa: BLE001, S110 - what a model's code raises when it looks for more than the states
        pass
    finally:
        hook.remove()
    if found is None or not torch.allclose(found, expected_1LV, rtol=1e-5, atol=1e-5):
        kind = module.config.model_type
        raise ParamsError(f"engine.loss_chunk: the logits of a {kind} cannot be made in chunks of tokens: set it to 0")


class _Given(nn.Module):
    """In the place of a part of a model: it gives what is known, and has the part's attributes."""

    def __init__(self, part: nn.Module, known: Tensor | Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._part, self._known = (part,), known  # in a tuple it is no child, whose parameters would be listed

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_part"][0], name)

    def forward(self, *arguments: Any, **options: Any) -> Any:  # noqa: ARG002
        if isinstance(self._known, Tensor):
            return _States(self._known)
        return self._known(arguments[0])


class _States:
    """A decoder's output, with nothing else in it."""

    def __init__(self, last_hidden_state: Tensor) -> None:
        self.last_hidden_state = last_hidden_state

    def __getitem__(self, place: int) -> Tensor | None:
        return self.last_hidden_state if place == 0 else None

    def __getattr__(self, name: str) -> None:
        return None


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
