"""What differs between two models: their configurations, their other files, and every tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm

from effopd.checkpoints.make import MADE
from effopd.checkpoints.pair import Model, Place, not_finite, open_model
from effopd.checkpoints.spectrum import commits
from effopd.files import hash_path
from effopd.models.folder import CONFIG, INDEX
from effopd.spectral.modules import parse_parameter

_NUMBERS_AT_ONCE = 2**22


@dataclass(frozen=True)
class TensorDifference:
    """One tensor that both models have in one shape.

    largest: of |b − a|. relative: ‖b − a‖ / ‖a‖, None where a is zero. cosine: of a and b, None where one is zero.
    unchanged: the share of entries that are equal; unchanged_bf16: after rounding both to bfloat16.
    """

    name: str
    kind: str
    numbers: int
    dtypes: tuple[str, str]
    largest: float
    relative: float | None
    cosine: float | None
    unchanged: float
    unchanged_bf16: float


@dataclass(frozen=True)
class Comparison:
    """only_in_a, only_in_b: tensors that the other lacks. shapes: of tensors that differ in them, a's and b's.

    config: keys of config.json with other values. files: others (of the tokenizer, say) that differ or are missing.
    """

    a: str
    b: str
    commits: dict[str, str]
    identical: bool
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    config: dict[str, tuple[Any, Any]]
    files: tuple[str, ...]
    tensors: tuple[TensorDifference, ...]


def compare(a: Place, b: Place, *, progress: bool = False) -> Comparison:
    """Compare two models, each a folder or OWNER/NAME@REVISION, that need not be of one architecture.

    Identical: the same tensors with the same values, whatever files they are in and whatever float dtype holds them,
    the same configuration and the same other files. progress: a bar on stderr.
    Raises `DataError` in one line that names the file for models that are damaged, quantised or not finite.
    """
    one, other = open_model(a), open_model(b)
    common = [name for name in one.weights if name in other.weights]
    shapes = {name: (one.weights.stored[name].shape, other.weights.stored[name].shape) for name in common}
    differing = {name: pair for name, pair in shapes.items() if pair[0] != pair[1]}
    bar = tqdm([n for n in common if n not in differing], desc="compare", unit="tensor", disable=not progress)
    tensors = tuple(_difference(one, other, name) for name in bar)
    only = (
        tuple(n for n in one.weights if n not in other.weights),
        tuple(n for n in other.weights if n not in one.weights),
    )
    keys = sorted({*one.config, *other.config} - {"_name_or_path", "transformers_version"})
    config = {k: (one.config.get(k), other.config.get(k)) for k in keys if one.config.get(k) != other.config.get(k)}
    files = _other_files(one, other)
    return Comparison(
        a=one.name,
        b=other.name,
        commits=commits(a=one, b=other),
        identical=not (any(only) or differing or config or files) and all(row.unchanged == 1 for row in tensors),
        only_in_a=only[0],
        only_in_b=only[1],
        shapes=differing,
        config=config,
        files=files,
        tensors=tensors,
    )


def _difference(one: Model, other: Model, name: str) -> TensorDifference:
    stored = one.weights.stored[name], other.weights.stored[name]
    a, b = one.weights[name].reshape(-1), other.weights[name].reshape(-1)
    squares, products, largest, same, same_bf16 = [], [], 0.0, 0, 0
    for piece_a, piece_b in zip(a.split(_NUMBERS_AT_ONCE), b.split(_NUMBERS_AT_ONCE), strict=True):
        same_bf16 += int((piece_a.bfloat16() == piece_b.bfloat16()).sum())
        piece_a, piece_b = piece_a.double(), piece_b.double()
        same += int((piece_a == piece_b).sum())
        moved = piece_b - piece_a
        largest = max(largest, float(moved.abs().max())) if len(moved) else largest
        squares.append([float(piece.square().sum()) for piece in (piece_a, piece_b, moved)])
        products.append(float(piece_a @ piece_b))
    norm_a, norm_b, norm_moved = (math.sqrt(math.fsum(column)) for column in zip(*squares, strict=True))
    for model, length in ((one, norm_a), (other, norm_b)):
        if not math.isfinite(length):
            raise not_finite(model, name)
    place = parse_parameter(name)
    numbers = torch.Size(stored[0].shape).numel()
    return TensorDifference(
        name=name,
        kind=place.kind if place else "other",
        numbers=numbers,
        dtypes=(stored[0].dtype, stored[1].dtype),
        largest=largest,
        relative=norm_moved / norm_a if norm_a else None,
        cosine=max(-1.0, min(1.0, math.fsum(products) / (norm_a * norm_b))) if norm_a and norm_b else None,
        unchanged=same / numbers,
        unchanged_bf16=same_bf16 / numbers,
    )


def _other_files(one: Model, other: Model) -> tuple[str, ...]:
    """Files beside weights and configuration whose bytes differ, or that one of the two lacks."""
    kept = [
        {path.name: path for path in model.folder.iterdir() if path.is_file() and _is_part(path.name)}
        for model in (one, other)
    ]
    names = sorted({*kept[0], *kept[1]})
    return tuple(
        name
        for name in names
        if name not in kept[0] or name not in kept[1] or hash_path(kept[0][name]) != hash_path(kept[1][name])
    )


def _is_part(name: str) -> bool:
    """Whether a file says what the model is: its tokenizer, its chat template, how to sample from it."""
    return name not in (CONFIG, INDEX, MADE) and name.endswith((".json", ".jinja", ".txt", ".model"))
