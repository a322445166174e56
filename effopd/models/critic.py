"""A critic: a language model whose output head gives one number a token, the value of the text so far."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel


def make_critic(model: PreTrainedModel) -> PreTrainedModel:
    """Give `model` a head of one value, in place, and return it: its logits are then (B, T, 1).

    The weights below the head stay what they are. The head starts at zero, and so do all values: whatever it began
    with would be an error to unlearn, and zero makes the first advantages the rewards themselves. A head that was tied
    to the embedding leaves it as it is.
    """
    weight_VH = model.get_output_embeddings().weight
    head = torch.nn.Linear(weight_VH.shape[1], 1, bias=False, device=weight_VH.device, dtype=weight_VH.dtype)
    torch.nn.init.zeros_(head.weight)
    model.set_output_embeddings(head)
    model.config.tie_word_embeddings = False
    return model
