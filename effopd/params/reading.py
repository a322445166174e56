"""YAML files as plain values: what could not be anybody's settings is refused before memory or minutes go into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    NodeEvent,
    ScalarEvent,
)

from effopd.errors import one_line

MOST_BYTES = 1 << 20
MOST_VALUES = 20_000
"""Values of a file, those that aliases repeat counted each time."""
DEEPEST = 20
LONGEST = 4_000
"""Characters of one value."""
LARGEST = 10**16
"""Of whole numbers: no seed, size or count is as large."""


class ParamsError(ValueError):
    """One line that names the key and says what is wrong with it."""


def read_yaml(path: Path) -> dict[str, Any]:
    """The sections of a YAML file. Raises `ParamsError` in one line."""
    return parse_yaml(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """A file of a size that people write. Raises `ParamsError` in one line."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file") from None
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > MOST_BYTES:
        raise ParamsError(f"{path}: larger than {MOST_BYTES >> 20} MiB")
    return content


def parse_yaml(content: bytes, path: Path) -> dict[str, Any]:
    """As `read_yaml`, of what was read from `path`."""
    try:
        text = content.decode("utf-8")
        _check_size(text, path)
        values = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError, OverflowError) as error:  # ValueError: a 13th month, bytes
        if isinstance(error, ParamsError):
            raise
        raise ParamsError(f"{path}: not valid YAML: {one_line(error, 300)}") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: expected sections at the top level, found {type(values).__name__}")
    check_values(values, path)
    return values


def check_values(values: dict[str, Any], path: Path) -> None:
    """Raises `ParamsError` for the first name or value that is none of any key."""
    for key, value in _leaves(values, ""):
        if fault := _fault(value):
            raise ParamsError(f"{path}: {one_line(key or 'top level', 100)}: {fault}")


def _check_size(text: str, path: Path) -> None:
    """Raises `ParamsError` for text that would become more than anybody writes, while it is still text."""
    anchored: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = []  # anchor, and values before, of each collection around
    values = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, ScalarEvent) and len(event.value) > LONGEST:
            raise ParamsError(f"{path}, line {event.start_mark.line + 1}: a value of {len(event.value)} characters")
        if isinstance(event, AliasEvent):
            if event.anchor not in anchored:
                raise ParamsError(f"{path}, line {event.start_mark.line + 1}: *{event.anchor} stands for itself")
            values += anchored[event.anchor]
        elif isinstance(event, CollectionStartEvent):
            open_.append((event.anchor, values))
            values += 1
        elif isinstance(event, CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor:
                anchored[anchor] = values - before
        elif isinstance(event, NodeEvent):
            values += 1
            if event.anchor:
                anchored[event.anchor] = 1
        if len(open_) > DEEPEST or values > MOST_VALUES:
            raise ParamsError(f"{path}: more than {DEEPEST} levels or {MOST_VALUES} values")


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """All names and values in `value`, each with the key to show for it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield key, name
            yield from _leaves(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{key}.{number}")
    else:
        yield key, value


def _fault(value: Any) -> str:
    """What is wrong with a value whatever its key, or nothing."""
    match value:
        case None | bool():
            return ""
        case int() if abs(value) >= LARGEST:
            return "a number of more than 16 digits"
        case str() if not value.replace("\n", " ").replace("\t", " ").isprintable():
            return f"a character that cannot be printed, in {one_line(ascii(value), 100)}"
        case str() | int() | float():
            return ""
    return f"a {type(value).__name__} is no value here"
