"""A model's weights, read one tensor at a time from one file or from shards: for models that do not fit twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from effopd.files import DataError
from effopd.models.folder import weight_files
from effopd.models.weights import load_weights, naming

FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}
"""The dtypes of safetensors that are floating point, with their bytes."""
_READ_AT_ONCE = 2**25  # bytes of a file that may stay in memory, beside the tensors in use
_BYTE_FLOATS = (torch.float8_e4m3fn, torch.float8_e5m2)


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies. dtype: as safetensors names it, such as BF16."""

    file: Path
    dtype: str
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        return torch.Size(self.shape).numel()

    @property
    def is_floating(self) -> bool:
        return self.dtype in FLOATS


class Checkpoint(Mapping[str, Tensor]):
    """The tensors of a model folder by name, in the dtype they are stored in; each access reads from disk.

    Reading raises `DataError` that names the file.
    """

    def __init__(self, folder: Path) -> None:
        """Read the headers alone. Raises `DataError` naming the file for what is missing, damaged or incomplete."""
        self.folder = folder
        self.stored = _headers(folder)
        self._open: tuple[Path, safe_open] | None = None
        self._to_read = 0

    def __getitem__(self, name: str) -> Tensor:
        with naming(self.stored[name].file):
            return _computable(self._opened(name).get_tensor(name))

    def rows(self, name: str, rows: slice) -> Tensor:
        """Some rows of a tensor (of a vector: entries; a number is a vector of one), without reading the others."""
        if not self.stored[name].shape:
            return self[name].reshape(1)[rows]
        with naming(self.stored[name].file):
            return _computable(self._opened(name).get_slice(name)[rows])

    def load(self) -> dict[str, Tensor]:
        """All of it at once."""
        loaded: dict[str, Tensor] = {}
        for file in {stored.file: None for stored in self.stored.values()}:
            loaded |= load_weights(file)
        return {name: _computable(loaded[name]) for name in self.stored}

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    def _opened(self, name: str) -> safe_open:
        """The file of a tensor that is about to be read.

        What was read of a mapped file stays in memory, page by page, until the file is closed: so it is opened anew
        now and then, and not for every tensor, since its header lists all of them.
        """
        stored = self.stored[name]
        if self._open is None or self._open[0] != stored.file or self._to_read < 0:
            self._open = (stored.file, safe_open(stored.file, "pt"))
            self._to_read = _READ_AT_ONCE
        self._to_read -= stored.numbers * FLOATS.get(stored.dtype, 8)  # rows of it: at most so many
        return self._open[1]


def _headers(folder: Path) -> dict[str, Stored]:
    """What the headers of all files say, checked against the index, in the order of names."""
    found: dict[str, Stored] = {}
    for path, expected in weight_files(folder).items():
        with naming(path), safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                if name in found:
                    raise DataError(f"{path}: {name} is in {found[name].file.name} too")
                part = file.get_slice(name)
                found[name] = Stored(path, part.get_dtype(), tuple(part.get_shape()))
        here = {name for name, stored in found.items() if stored.file == path}
        if expected is not None and here != expected:
            name = min(here ^ expected)
            said = "the index does not name it" if name in here else "which the index puts in it"
            raise DataError(f"{path}: {name} is {'in it' if name in here else 'not in it'}, {said}")
    return dict(sorted(found.items()))


def _computable(tensor: Tensor) -> Tensor:
    """Numbers of eight bits become float32, which holds them exactly: nothing is computed in the former."""
    return tensor.float() if tensor.dtype in _BYTE_FLOATS else tensor
