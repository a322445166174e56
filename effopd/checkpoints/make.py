"""New models out of old ones: whole folders, with the files, names and dtypes of the model that they go on from.

Nothing is in memory but pieces of one tensor. A weight is computed in float64 and rounded once, to the dtype that it
has in that model; a folder is there whole or not at all, and one that is there already is not written over.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor
from tqdm import tqdm

from effopd.checkpoints.pair import Model, Place, match, not_finite, open_model, own_tensor
from effopd.checkpoints.spectrum import commits
from effopd.files import DataError, atomic_path, write_json
from effopd.models.folder import WEIGHTS, check_new
from effopd.models.hub import FILES

MADE = "effopd.json"
"""What a folder is made of and how."""
_NUMBERS_AT_ONCE = 2**22
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}

Rule = Callable[[str], Callable[[slice], Tensor]]
"""For the name of a tensor: its entries, flat, in a slice; in float64 or as they are stored."""


def extrapolate(base: Place, current: Place, multiplier: float, out: Path, *, progress: bool = False) -> None:
    """Write W_current + multiplier · (W_current − W_base), EffOPD's candidate (arXiv 2605.11739), to the folder `out`.

    A multiplier of 0 is the current model bit for bit, and −1 the base; between them lie the models on the way.
    Raises `DataError` for an `out` that exists, a multiplier that is not finite, and models that cannot be read or do
    not match.
    """
    check_new(out)
    if not math.isfinite(multiplier):
        raise DataError(f"a multiplier must be a finite number, got {multiplier}")
    pair = match(open_model(base), open_model(current))
    about = {"made_by": "extrapolate", "base": pair.base.name, "current": pair.trained.name, "multiplier": multiplier}

    def rule(name: str) -> Callable[[slice], Tensor]:
        before, after = (tensor.reshape(-1) for tensor in pair.tensors(name))

        def piece(entries: slice) -> Tensor:
            if multiplier in (0, -1):
                return (after if multiplier == 0 else before)[entries]
            return after[entries].double() + multiplier * (after[entries].double() - before[entries].double())

        return piece

    made_of = commits(base_commit=pair.base, current_commit=pair.trained)
    _write(pair.trained, (pair.base, pair.trained), rule, out, about | made_of, progress)


def rescale(base: Place, early: Place, final: Place, out: Path, *, beta: float = 1.0, progress: bool = False) -> None:
    """Write W_base + ΔW_early · (1 + β (‖ΔW_final‖ − ‖ΔW_early‖) / ‖ΔW_early‖), tensor by tensor, to the folder `out`.

    β = 1, the decisive experiment of arXiv 2605.11739: the early update's direction at the final update's length. β = 0
    is the early model. A tensor that has not moved yet has no direction and stays at the base. Files, names and dtypes
    are the final model's. Raises as `extrapolate`.
    """
    check_new(out)
    if not math.isfinite(beta):
        raise DataError(f"beta must be a finite number, got {beta}")
    start = open_model(base)
    first, last = match(start, open_model(early)), match(start, open_model(final))
    match(first.trained, last.trained)
    about = {
        "made_by": "rescale", "base": start.name, "early": first.trained.name, "final": last.trained.name, "beta": beta,
    }  # fmt: skip

    def rule(name: str) -> Callable[[slice], Tensor]:
        before, towards = start_and(first.trained, name)
        moved, goal = _norm(before, towards), _norm(*(tensor.reshape(-1) for tensor in last.tensors(name)))
        scale = 1 + beta * (goal - moved) / moved if moved else 0.0

        def piece(entries: slice) -> Tensor:
            if scale in (0, 1):
                return (towards if scale == 1 else before)[entries]
            return before[entries].double() + scale * (towards[entries].double() - before[entries].double())

        return piece

    def start_and(model: Model, name: str) -> tuple[Tensor, Tensor]:
        return own_tensor(start, name).reshape(-1), own_tensor(model, name).reshape(-1)

    made_of = commits(base_commit=start, early_commit=first.trained, final_commit=last.trained)
    _write(last.trained, (start, first.trained, last.trained), rule, out, about | made_of, progress)


def _norm(before: Tensor, after: Tensor) -> float:
    pieces = zip(before.split(_NUMBERS_AT_ONCE), after.split(_NUMBERS_AT_ONCE), strict=True)
    return math.sqrt(math.fsum(float((b.double() - a.double()).square().sum()) for a, b in pieces))


def _write(
    like: Model, sources: Sequence[Model], rule: Rule, out: Path, about: dict[str, object], progress: bool
) -> None:
    """Write a folder like that of one of the `sources` of its weights."""
    numbers = sum(stored.numbers for stored in like.weights.stored.values())
    with atomic_path(out) as folder:
        folder.mkdir()
        for path in sorted({path for pattern in FILES for path in like.folder.rglob(pattern)}):
            if path.suffix != Path(WEIGHTS).suffix and path.is_file():
                target = folder / path.relative_to(like.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        write_json(folder / MADE, about)
        with tqdm(total=numbers, desc="write", unit="weight", unit_scale=True, disable=not progress) as bar:
            for file in {stored.file: None for stored in like.weights.stored.values()}:
                with (folder / file.name).open("wb") as stream:
                    for name in _copy_header(file, stream):
                        for piece in _pieces(like, sources, rule, name):
                            stream.write(piece.contiguous().view(torch.uint8).numpy().data)
                            bar.update(len(piece))


def _copy_header(file: Path, stream: BinaryIO) -> list[str]:
    """Write the header of a safetensors file, which says all but the values; its tensors in the order of these."""
    with file.open("rb") as source:
        length = source.read(8)
        header = source.read(int.from_bytes(length, "little"))
    stream.write(length + header)
    places = {name: place["data_offsets"] for name, place in json.loads(header).items() if name != "__metadata__"}
    return sorted(places, key=lambda name: places[name])


def _pieces(like: Model, sources: Sequence[Model], rule: Rule, name: str) -> Iterator[Tensor]:
    """The entries of a new tensor, flat, in the dtype of the model that it goes on from, a few million at a time."""
    stored = like.weights.stored[name]
    if not stored.is_floating:  # a buffer of integers, which no update moves
        yield like.weights[name].reshape(-1)
        return
    entries, dtype = rule(name), _DTYPES[stored.dtype]
    for begin in range(0, stored.numbers, _NUMBERS_AT_ONCE):
        piece = entries(slice(begin, begin + _NUMBERS_AT_ONCE)).to(dtype)
        if not bool(torch.isfinite(piece.float()).all()):
            for model in sources:
                if not bool(torch.isfinite(own_tensor(model, name)).all()):
                    raise not_finite(model, name)
            raise DataError(f"{like.folder}: {name} would be beyond what {stored.dtype} can hold")
        yield piece
