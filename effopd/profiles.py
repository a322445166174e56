"""Profiles: files of params for known settings, put over a params file whose comments stay."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import PlainScalarString

from effopd.files import DataError, write_text
from effopd.params.schema import Params, check_file
from effopd.params.section import ParamsError, Section, parse, read_yaml


class Machine(Section):
    """What a profile is meant for. Sizes as `effopd plan` takes them."""

    gpus: int = Field(ge=1)
    gpu_memory: str
    memory: str
    disk: str


class Profile(Section):
    """about: one line. params: sections of params.yaml, with the keys that differ."""

    about: str
    machine: Machine
    params: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Change:
    key: str
    before: Any
    after: Any


def profile_names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_profile(name: str, folder: Path) -> Profile:
    """Raises `DataError` listing the known ones, or `ParamsError` naming the key at fault."""
    path = folder / f"{name}.yaml"
    if name not in profile_names(folder):
        known = ", ".join(profile_names(folder)) or f"none in {folder}/"
        raise DataError(f"no profile named {name!r}; known: {known}")
    return parse(Profile, "", read_yaml(path), path)


def with_profile(name: str, folder: Path, file: Path) -> tuple[str, Params, list[Change]]:
    """The text of the params `file` under a profile, what it says, and what changed; nothing is written.

    Only values change: comments, order and layout are kept. Raises `ParamsError` for a key that the file does not have,
    and for values that do not go together.
    """
    read_profile(name, folder)
    check_file(file)
    path = folder / f"{name}.yaml"
    yaml = YAML()
    yaml.width, yaml.preserve_quotes, yaml.default_flow_style = 4096, True, False
    document = yaml.load(file.read_text(encoding="utf-8"))
    overlay = YAML().load(path.read_text(encoding="utf-8"))["params"]  # with each number as it is written there
    changes = list(_put(document, overlay, path))
    text = io.StringIO()
    yaml.dump(document, text)
    values = YAML(typ="safe", pure=True).load(text.getvalue())
    return text.getvalue(), parse(Params, "", values, path), changes


def apply_profile(name: str, folder: Path, file: Path) -> tuple[Params, list[Change]]:
    """Put a profile over the params `file`, whole or not at all."""
    text, params, changes = with_profile(name, folder, file)
    if changes:
        write_text(file, text)
    return params, changes


def missing_pins(params: Params) -> list[str]:
    """The models on the hub that have no revision yet, as the keys that want one and the names to pin."""
    sources = {"teacher": params.teacher} | {f"teacher.named.{name}": s for name, s in params.teacher.named.items()}
    wanted = [
        ("model.revision", params.model.source, params.model.revision),
        ("prompt.revision", params.prompt.tokenizer, params.prompt.revision),
        *((f"{key}.revision", s.source, s.revision) for key, s in sources.items() if s.engine != "served"),
    ]
    return [
        f"{key} is empty: effopd pin --model {name}"
        for key, name, pin in wanted
        if "/" in name and not pin and not Path(name).is_dir()
    ]


def _put(document: Any, overlay: Mapping[str, Any], path: Path, prefix: str = "") -> Iterator[Change]:
    for name, value in overlay.items():
        key = f"{prefix}{name}"
        if name not in document:
            raise ParamsError(f"{path}: {key}: unknown key (known: {', '.join(document)})")
        before = document[name]
        if isinstance(before, Mapping) and before and isinstance(value, Mapping):
            yield from _put(before, value, path, f"{key}.")
        elif before != value:
            document[name] = _plain(value)
            yield Change(key, before, value)


def _plain(value: Any) -> Any:
    """Without the layout of its own file: an item a line, and no quotes but where they are needed."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return PlainScalarString(value) if isinstance(value, str) else value
