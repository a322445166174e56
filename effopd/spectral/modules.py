"""Names of a Hugging Face decoder's parameters: which layer, which kind of module, which projection.

Covers the layouts that Qwen2, Qwen3 and Llama share: `…layers.<i>.self_attn.<projection>.weight`,
`…layers.<i>.mlp.<projection>.weight`, `…embed_tokens.weight`, `lm_head.weight`. Layers count from 0, as the names do.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from effopd.files import DataError

ModuleKind = Literal["attention", "mlp"]

PROJECTIONS: dict[ModuleKind, tuple[str, ...]] = {
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
}
HEAD_NAME = "lm_head.weight"

_PARAMETER = re.compile(r"(?:^|\.)layers\.(\d+)\.(self_attn|mlp)\.(.+)$")
_KINDS: dict[str, ModuleKind] = {"self_attn": "attention", "mlp": "mlp"}


@dataclass(frozen=True)
class ModuleParameter:
    """One parameter inside an attention or MLP module.

    `part` is what follows the module's name without `.weight`: `q_proj`, `down_proj`, but also `q_norm` or
    `q_proj.bias`. `is_matrix` is true for the seven projection matrices, which are all that the spectral tables use.
    """

    name: str
    layer: int
    kind: ModuleKind
    part: str
    is_matrix: bool


def parse_parameter(name: str) -> ModuleParameter | None:
    """The place of a parameter in the decoder, or None for embeddings, layer norms, the head and anything else."""
    match = _PARAMETER.search(name)
    if match is None:
        return None
    kind = _KINDS[match[2]]
    part = match[3].removesuffix(".weight")
    is_matrix = match[3].endswith(".weight") and part in PROJECTIONS[kind]
    return ModuleParameter(name, int(match[1]), kind, part, is_matrix)


def projection_matrices(names: Iterable[str]) -> tuple[ModuleParameter, ...]:
    """The attention and MLP weight matrices among `names`, by layer, then q k v o gate up down.

    Raises `DataError` when there are none: an average over no matrices would hide a model with other names.
    """
    names = tuple(names)
    order = [*PROJECTIONS["attention"], *PROJECTIONS["mlp"]]
    parameters = [parameter for name in names if (parameter := parse_parameter(name)) and parameter.is_matrix]
    if not parameters:
        raise DataError(
            f"no attention or MLP weight matrix among {len(names)} parameters: "
            "names like layers.0.self_attn.q_proj.weight are expected"
        )
    return tuple(sorted(parameters, key=lambda parameter: (parameter.layer, order.index(parameter.part))))


def embedding_name(names: Iterable[str]) -> str:
    """The name of the token embedding. Raises `DataError` unless there is exactly one `…embed_tokens.weight`."""
    found = sorted(name for name in names if name.split(".")[-2:] == ["embed_tokens", "weight"])
    if len(found) != 1:
        raise DataError(f"expected one embed_tokens.weight, found {len(found)}: {', '.join(found) or 'none'}")
    return found[0]


def has_tied_head(weights: Mapping[str, Tensor]) -> bool:
    """Whether `lm_head.weight` stands beside the embedding as the same matrix.

    A tied model's saved file usually holds `embed_tokens.weight` alone, its `state_dict()` holds both names. Two
    separate matrices never agree in every entry after training, so equality is the test that works for both
    live models and loaded files.
    """
    if HEAD_NAME not in weights:
        return False
    head, embedding = weights[HEAD_NAME], weights[embedding_name(weights)]
    return head.shape == embedding.shape and torch.equal(head, embedding)
