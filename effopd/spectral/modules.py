"""Names of a Hugging Face decoder's parameters: which layer, which kind of module, which matrix.

Any layout whose layers are numbered is read: `model.layers.<i>.self_attn.q_proj.weight`, `transformer.h.<i>.attn…`,
`…block_sparse_moe.experts.<e>.w1.weight`. Fused parameters are taken apart where their shapes say how; the experts of a
layer that stand in one tensor are a matrix each. Layers count from 0, as the names do.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from effopd.files import DataError

ModuleKind = Literal["attention", "mlp"]
MatrixKind = Literal["attention", "mlp", "embedding", "head", "other"]
Shapes = Mapping[str, Sequence[int]]

PROJECTIONS: dict[ModuleKind, tuple[str, ...]] = {
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
}
HEAD_NAME = "lm_head.weight"

_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.([^.]+)\.(.+)$")
_ATTENTION = re.compile("attn|attention|mamba|mixer|conv|ssm")  # what mixes tokens
_MLP = re.compile(r"mlp|feed_forward|ffn|moe|expert|^fc\d|^dense_|^per_layer")
_NORM = "norm"  # post_attention_layernorm is no attention
_TOWER = re.compile("vision|visual|image|audio")
_EMBEDDING = re.compile(r"(?:^|\.)(?:embed_tokens|wte|embed_in|word_embeddings|tok_embeddings)\.weight$")
_EMBEDS = re.compile(r"(?:^|\.)(?:[^.]*embed[^.]*|wte|wpe)\.weight$")  # of tokens, of positions, of layers
_HEAD = re.compile(r"(?:^|\.)(?:lm_head|embed_out|output)\.weight$")


@dataclass(frozen=True)
class ModuleParameter:
    """One parameter inside an attention or MLP module.

    `part` is what follows the module's name without `.weight`: `q_proj`, `down_proj`, `experts.3.w1`, but also `q_norm`
    or `q_proj.bias`.
    """

    name: str
    layer: int
    kind: ModuleKind
    part: str


@dataclass(frozen=True)
class WeightMatrix:
    """One matrix: a whole parameter, some rows of a fused one, or one of a stack of experts.

    name: the parameter's, with what is taken from it in brackets where it is not the whole.
    layer: None for embeddings, the output head and whatever else is in no attention or MLP module.
    expert, rows: which part of `parameter` it is; None: all of it.
    """

    name: str
    layer: int | None
    kind: MatrixKind
    part: str
    parameter: str
    expert: int | None = None
    rows: tuple[int, int] | None = None

    def of(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The matrix (M, N) among a model's parameters; a view, no copy."""
        return self.taken_from(weights[self.parameter])

    def taken_from(self, parameter: Tensor) -> Tensor:
        """The matrix (M, N) out of the whole parameter."""
        matrix = parameter if self.expert is None else parameter[self.expert]
        return matrix if self.rows is None else matrix[slice(*self.rows)]


def parse_parameter(name: str) -> ModuleParameter | None:
    """The place of a parameter in the decoder, or None for embeddings, layer norms, the head and anything else."""
    match = _LAYER.search(name)
    if match is None or _TOWER.search(name):
        return None
    layer, module, part = match.groups()
    if _NORM in module:
        return None
    if _ATTENTION.search(module):
        return ModuleParameter(name, int(layer), "attention", part.removesuffix(".weight"))
    if _MLP.search(module):
        return ModuleParameter(name, int(layer), "mlp", part.removesuffix(".weight"))
    return None


def weight_matrices(shapes: Shapes) -> tuple[WeightMatrix, ...]:
    """The attention and MLP weight matrices of a model, by layer, then q k v o gate up down, then the others by name.

    shapes: of all parameters. Raises `DataError` when there are none: an average over no matrices would hide a model
    with other names.
    """
    order = [*PROJECTIONS["attention"], *PROJECTIONS["mlp"]]
    found = [matrix for name in shapes for matrix in _matrices(name, shapes)]
    if not found:
        raise DataError(
            f"no attention or MLP weight matrix among {len(shapes)} parameters: "
            "names like layers.0.self_attn.q_proj.weight are expected"
        )

    def place(matrix: WeightMatrix) -> tuple[int | None, int, list[str | int]]:
        known = order.index(matrix.part) if matrix.part in order else len(order)
        return matrix.layer, known, _natural(matrix.name)

    return tuple(sorted(found, key=place))


def _matrices(name: str, shapes: Shapes) -> list[WeightMatrix]:
    """The matrices in one parameter: none, one, or those that are fused or stacked in it."""
    place, shape = parse_parameter(name), tuple(shapes[name])
    if place is None or name.endswith("bias") or min(shape, default=0) < 2:  # a matrix of one row is a vector
        return []
    whole = WeightMatrix(name, place.layer, place.kind, place.part, name)
    if len(shape) == 2:
        return _split(whole, shape[0], shapes) or [whole]
    if len(shape) == 3 and "expert" in name:
        experts = [
            replace(whole, name=f"{name}[{expert}]", part=f"{place.part}.{expert}", expert=expert)
            for expert in range(shape[0])
        ]
        return [one for expert in experts for one in (_split(expert, shape[1], shapes) or [expert])]
    return []


def _split(fused: WeightMatrix, rows: int, shapes: Shapes) -> list[WeightMatrix]:
    """The parts of a fused matrix whose neighbours say how many rows each has; empty for any other.

    Phi3's queries, keys and values: as many query rows as the output projection has columns, and the rest halved. Gate
    and up (Phi3, GLM-4, stacked experts): as many each as the down projection has columns. Where gate and up have
    biases (gpt-oss) they alternate, in columns.
    """
    before, _, last = fused.parameter.removesuffix(".weight").rpartition(".")
    ending = ".weight" if fused.parameter.endswith(".weight") else ""

    def inputs(sibling: str) -> int:
        shape = shapes.get(f"{before}.{sibling}{ending}", ())
        return shape[-1] if shape else 0

    match last:
        case "qkv_proj" if (queries := inputs("o_proj")) and rows > queries and (rows - queries) % 2 == 0:
            keys = (rows - queries) // 2
            sizes = {"q_proj": queries, "k_proj": keys, "v_proj": keys}
        case "gate_up_proj" if 2 * inputs("down_proj") == rows and f"{fused.parameter}_bias" not in shapes:
            sizes = {"gate_proj": rows // 2, "up_proj": rows // 2}
        case _:
            return []
    parts, start = [], 0
    for part, size in sizes.items():
        name = f"{fused.name}[{part.removesuffix('_proj')}]"
        parts.append(replace(fused, name=name, part=fused.part.replace(last, part), rows=(start, start + size)))
        start += size
    return parts


def outer_matrices(shapes: Shapes) -> tuple[WeightMatrix, ...]:
    """The weight matrices of a model that are in no attention or MLP module: embeddings, the output head, others."""
    found = []
    for name, shape in shapes.items():
        is_matrix = len(shape) == 2 and min(shape) > 1 and not (name.endswith("bias") or _TOWER.search(name))
        if is_matrix and parse_parameter(name) is None:
            kind: MatrixKind = "head" if _HEAD.search(name) else "embedding" if _EMBEDS.search(name) else "other"
            found.append(WeightMatrix(name, None, kind, kind, name))
    return tuple(sorted(found, key=lambda matrix: (matrix.kind, matrix.name)))


@dataclass(frozen=True)
class LeftOut:
    """Parameters of one kind that are in no matrix.

    name: with * for numbers. parameters: how many. axes: of each. numbers: entries of all of them.
    """

    name: str
    parameters: int
    axes: int
    numbers: int


def left_out(shapes: Shapes, matrices: Iterable[WeightMatrix]) -> tuple[LeftOut, ...]:
    """What is in none of `matrices`, the largest first."""
    counted = {matrix.parameter for matrix in matrices}
    groups: dict[tuple[str, int], list[int]] = {}
    for name, shape in shapes.items():
        if name not in counted:
            pattern = re.sub(r"(?<=\.)\d+(?=\.)", "*", name)
            groups.setdefault((pattern, len(shape)), []).append(torch.Size(shape).numel())
    rows = [LeftOut(name, len(sizes), axes, sum(sizes)) for (name, axes), sizes in groups.items()]
    return tuple(sorted(rows, key=lambda row: (-row.numbers, row.name)))


def left_out_line(rows: Sequence[LeftOut], numbers: int) -> str:
    """What is left out in words: what has two axes or more by name, vectors counted; their share of all `numbers`."""
    named = [row.name for row in rows if row.axes > 1]
    vectors = sum(row.parameters for row in rows if row.axes < 2)
    said = [*named, *([f"{vectors} vector{'s' * (vectors > 1)} (norms, biases)"] if vectors else [])]
    return f"left out: {', '.join(said) or 'nothing'}, {sum(row.numbers for row in rows) / numbers:.2%} of all weights"


def _natural(name: str) -> list[str | int]:
    """A sort key that puts expert 10 behind expert 9."""
    return [int(piece) if piece.isdigit() else piece for piece in re.split(r"(\d+)", name)]


def embedding_name(names: Iterable[str]) -> str:
    """The name of the token embedding. Raises `DataError` unless there is exactly one."""
    found = sorted(name for name in names if _EMBEDDING.search(name) and not _TOWER.search(name))
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
