"""What a model folder holds, found out before any of it is loaded: the files of its weights, and what is no model.

Nothing inside a folder leads out of it. An index names safetensors files that lie beside it, and no others; a link is
followed where the whole folder is made of them, as the hub's cache, DVC and `cp -rs` do, and read as the bytes it leads
to, which are those that a pin (`hash_path`) covers. What would make Hugging Face load other files than these, with an
adapter beside the model or a name in config.json, is refused.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from effopd.files import DataError, read_json

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
_QUANTISED_FILES = ("quantize_config.json", "quant_config.json")
_QUANTISED_KEYS = ("quantization_config", "compression_config")


def check_folder(folder: Path) -> dict[str, Any]:
    """The configuration of a model in Hugging Face format that can be loaded as it is.

    Raises `DataError` naming the file for a folder without one, with quantised weights, with an adapter, or with what
    is neither a file nor a folder.
    """
    config = read_config(folder)
    for path in sorted(folder.rglob("*")):
        _check_kind(path)
    if adapter := next((folder / name for name in ADAPTER_FILES if (folder / name).exists()), None):
        raise DataError(
            f"{adapter}: an adapter (peft) beside the model would be left out: remove it, or put it into its base: "
            f"effopd merge BASE {folder} --out DIR"
        )
    if how := quantised(folder, config):
        raise DataError(
            f"{folder}: the weights are quantised ({how}): updates and training need those they were made from"
        )
    if "transformers_weights" in config:
        raise DataError(f"{folder / CONFIG}: transformers_weights names another file of weights: remove this key")
    return config


def read_config(folder: Path) -> dict[str, Any]:
    """config.json as it is. Raises `DataError` naming it when it is missing or no JSON object."""
    if not (folder / CONFIG).is_file():
        raise DataError(f"{folder}: not a model folder (no {CONFIG})")
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict):
        raise DataError(f"{folder / CONFIG}: an object with the model's settings is expected")
    return config


def quantised(folder: Path, config: dict[str, Any]) -> str:
    """How the weights are quantised, as far as the folder says; empty when they are not."""
    sections = [config, *(value for value in config.values() if isinstance(value, dict))]  # text_config of a pair
    for settings in (section.get(key) for section in sections for key in _QUANTISED_KEYS):
        if settings:
            method = settings.get("quant_method") if isinstance(settings, dict) else None
            return str(method or "unknown method")[:40]
    return next((name for name in _QUANTISED_FILES if (folder / name).exists()), "")


def weight_files(folder: Path) -> dict[Path, frozenset[str] | None]:
    """The files of a folder's weights, each with the names that an index gives it; None without an index: all.

    Raises `DataError` naming the file for one that is missing, outside the folder, no regular file or not safetensors.
    """
    single, index = folder / WEIGHTS, folder / INDEX
    if not index.exists():
        _check_weights(folder, single)
        return {single: None}
    shards = _shards(index)
    if single.exists() and shards.keys() != {WEIGHTS}:
        raise DataError(f"{index}: {WEIGHTS} lies beside it, and they are two sets of weights: remove one of them")
    files: dict[Path, frozenset[str] | None] = {}
    for name, tensors in sorted(shards.items()):
        _check_weights(folder, folder / name)
        files[folder / name] = frozenset(tensors)
    return files


def check_new(folder: Path) -> None:
    """Raise `DataError` unless a model can be written there without writing over anything."""
    if folder.exists() or folder.is_symlink():
        raise DataError(f"{folder}: it exists already; name a new folder, nothing is written over")


def _shards(index: Path) -> dict[str, set[str]]:
    """The names of tensors by the file that an index puts them in."""
    if not stat.S_ISREG(index.stat().st_mode):
        raise DataError(f"{index}: not a regular file")
    content = read_json(index)
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict) or not places:
        raise DataError(f"{index}: a weight_map from tensors to files is expected")
    shards: dict[str, set[str]] = {}
    for tensor, name in places.items():
        if not isinstance(name, str) or Path(name).name != name or "\\" in name or "\0" in name:
            raise DataError(f"{index}: {tensor} is said to be in {str(name)[:200]!r}: the name of a file here is due")
        if not name.endswith(".safetensors"):
            raise DataError(f"{index}: {tensor} is said to be in {name[:200]!r}, and only safetensors are read")
        shards.setdefault(name, set()).add(tensor)
    return shards


def _check_weights(folder: Path, file: Path) -> None:
    if not file.exists():
        others = "".join(f"; {name} is not read, only safetensors are" for name in _pickles(folder))
        raise DataError(f"{file}: no such file{others}")
    if not stat.S_ISREG(file.stat().st_mode):
        raise DataError(f"{file}: not a regular file")
    if not file.resolve().is_relative_to(folder.resolve()) and not (folder / CONFIG).is_symlink():
        raise DataError(f"{file}: a link out of the folder, to {file.resolve()}: put the file itself here")


def _pickles(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth"))[:1]


def _check_kind(path: Path) -> None:
    """Devices, pipes and sockets hang whoever reads them; what a linked folder holds is covered by no pin."""
    if not path.exists():  # a broken link; whoever needs the file says so
        return
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise DataError(f"{path}: neither a file nor a folder")
    if path.is_symlink() and stat.S_ISDIR(mode):
        raise DataError(f"{path}: a linked folder inside a model is not followed: put the files themselves here")
