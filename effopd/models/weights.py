"""Weights as one safetensors file, without a model around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from effopd.errors import MachineError, one_line
from effopd.files import DataError


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write `weights` as one safetensors file; equal tensors give equal bytes.

    Raises `MachineError` naming the file where it cannot be written, on a full disk for example.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    try:
        save_file(tensors, path, {"format": "pt"})
    except SafetensorError as error:  # which is no OSError, whatever the machine said
        raise MachineError(f"{path}: cannot be written ({one_line(error, 300)})") from None


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises `DataError` naming the file when it is missing or damaged."""
    with naming(path):
        return load_file(path)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what safetensors raises on a missing or damaged file into a `DataError` that names it."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: damaged weights ({' '.join(str(error).split())})") from None
