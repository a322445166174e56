"""Low-rank adaptation (arXiv 2106.09685): W + s·B·A with W frozen, for the linear layers of attention and MLP.

peft is imported when factors are added, so that runs without them need none of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from effopd.params.section import ParamsError

FACTORS = ".lora_"


def add_factors(model: PreTrainedModel, rank: int, alpha: float, seed: int, *, train_head: bool = False) -> None:
    """Freeze `model` and put factors beside every linear layer but the output head, in place; s = alpha / rank.

    B starts at zero, so that the model computes what it did; A is random and depends on `seed` alone. train_head: leave
    the output head to be trained, as a critic's, which starts at zero. Raises `ParamsError` when peft is not installed,
    and for a model with matrices that are no linear layers, such as experts in one tensor: they would not be adapted.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise ParamsError("engine.lora_rank needs peft, which is not installed: pip install -e '.[lora]'") from None
    head = model.get_output_embeddings()
    if left_out := _not_linear(model):
        raise ParamsError(
            f"engine.lora_rank: factors go beside linear layers, and of a {model.config.model_type} {left_out[0]} is "
            f"none ({len(left_out)} in all): set it to 0"
        )
    linear = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m is not head]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=alpha, target_modules=linear), model)
    head.requires_grad_(train_head)
    model.eval()


def _not_linear(model: PreTrainedModel) -> list[str]:
    """The matrices of attention and MLP that are weights of no linear layer; convolutions are neither's."""
    beside = (torch.nn.Linear, torch.nn.Embedding, torch.nn.Conv1d)
    return [
        f"{path}.{name}"
        for path, module in model.named_modules()
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.ndim > 1 and not isinstance(module, beside)
    ]


def leaping_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """What extrapolation moves, by name: every weight, or with factors the frozen weights that have some."""
    found = adapted(model)
    if not found:
        return dict(model.named_parameters())
    return {f"{name}.weight": layer.base_layer.weight for name, layer in found.items()}


def products(model: PreTrainedModel) -> dict[str, Tensor]:
    """s·B·A, float32, by the name of the weight that it is added to; nothing for a model without factors."""
    with torch.no_grad():
        return {f"{name}.weight": layer.get_delta_weight("default") for name, layer in adapted(model).items()}


def merged_weights(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Every weight under the name that it has without factors, W + s·B·A where there are some."""
    layers = adapted(model)
    for name, parameter in model.named_parameters():
        if FACTORS in name:
            continue
        layer = layers.get(name.removesuffix(".base_layer.weight"))
        with torch.no_grad():
            merged = parameter if layer is None else parameter + layer.get_delta_weight("default")
        yield name.replace(".base_layer.", "."), merged


def adapted(model: PreTrainedModel) -> dict[str, Any]:
    """The layers with factors, by name."""
    return {name: layer for name, layer in model.named_modules() if hasattr(layer, "get_delta_weight")}
