"""Two models, opened and matched before any weight is read: what does not fit is one line that names the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from effopd.files import DataError
from effopd.models.checkpoint import Checkpoint, Stored
from effopd.models.folder import check_folder
from effopd.models.hub import locate
from effopd.spectral.modules import HEAD_NAME, embedding_name

Place = str | Path
"""A folder, or OWNER/NAME@REVISION on the hub."""


@dataclass(frozen=True)
class Model:
    """A model of which only headers are read yet. name: as it was asked for."""

    name: str
    folder: Path
    config: dict[str, Any]
    weights: Checkpoint

    @property
    def is_tied(self) -> bool:
        """Whether the embedding serves as the output head, so that the files need not hold one."""
        text = self.config.get("text_config")
        return HEAD_NAME not in self.weights or bool({**self.config, **(text or {})}.get("tie_word_embeddings"))


@dataclass(frozen=True)
class Pair:
    """A model and what became of it. names: of the tensors of `trained` that both have, floating, in order."""

    base: Model
    trained: Model
    names: tuple[str, ...]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: self.trained.weights.stored[name].shape for name in self.names}

    @property
    def numbers(self) -> int:
        return sum(self.trained.weights.stored[name].numbers for name in self.names)

    def tensors(self, name: str) -> tuple[Tensor, Tensor]:
        """The base's and the trained tensor of that name, as they are stored."""
        return own_tensor(self.base, name), self.trained.weights[name]


def open_model(place: Place) -> Model:
    """A model in a folder or on the hub. Raises `DataError` that names the file for what cannot be read."""
    folder = locate(place)
    return Model(str(place), folder, check_folder(folder), Checkpoint(folder))


def match(base: Model, trained: Model) -> Pair:
    """Two models of one architecture. Raises `DataError`, naming a file and a tensor, where they are not.

    A head that only one of the two holds is no difference when the other's embedding serves as one; the base's own is
    then compared with its embedding. Tensors of integers (buffers) must be in both, and are in no pair.
    """
    names = tuple(trained.weights)
    own = set(base.weights)
    if HEAD_NAME in names and HEAD_NAME not in own and base.is_tied:
        own.add(HEAD_NAME)
    if HEAD_NAME in own and HEAD_NAME not in names and _has_tied_head(base):
        own.discard(HEAD_NAME)
    for lacking, there, missing in ((trained, base, own - set(names)), (base, trained, set(names) - own)):
        if missing:
            first, *more = sorted(missing)
            others = f" and {len(more)} more" if more else ""
            raise DataError(f"{lacking.folder}: {first}{others} missing, which {there.name} has")
    for name in names:
        ours, theirs = stored_in(base, name), trained.weights.stored[name]
        if ours.shape != theirs.shape:
            raise DataError(
                f"{theirs.file}: {name} has the shape {_by(theirs.shape)}, and {_by(ours.shape)} in {ours.file}"
            )
        if ours.is_floating != theirs.is_floating:
            raise DataError(f"{theirs.file}: {name} is {theirs.dtype}, and {ours.dtype} in {ours.file}")
        if not theirs.is_floating and name.endswith(".weight"):
            raise DataError(f"{theirs.file}: {name} is {theirs.dtype}, and weights are floating-point numbers")
    return Pair(base, trained, tuple(name for name in names if trained.weights.stored[name].is_floating))


def stored_in(model: Model, name: str) -> Stored:
    """Where a tensor of a model lies; a head that it does not hold is its embedding."""
    return model.weights.stored[_own_name(model, name)]


def own_tensor(model: Model, name: str) -> Tensor:
    """A tensor of a model; a head that it does not hold is its embedding."""
    return model.weights[_own_name(model, name)]


def not_finite(model: Model, name: str) -> DataError:
    """What is said of a tensor with a NaN or an infinity."""
    return DataError(f"{stored_in(model, name).file}: {name} is not finite (NaN or infinite)")


def _own_name(model: Model, name: str) -> str:
    return embedding_name(model.weights) if name == HEAD_NAME and name not in model.weights else name


def _has_tied_head(model: Model) -> bool:
    head, embedding = model.weights[HEAD_NAME], model.weights[embedding_name(model.weights)]
    return head.shape == embedding.shape and torch.equal(head, embedding)


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "of a number"
