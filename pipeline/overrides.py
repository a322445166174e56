"""Overrides of parameters as text, `section.key=1 section.other=2`, and their application to params.yaml."""

import datetime
import hashlib
import json
import math
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node

from pipeline.errors import PipelineError

LONGEST = 40  # letters of a name that tell of the overrides
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list like [1, 2]"}


@dataclass(frozen=True)
class Override:
    """One `key.path=text` as the user wrote it; what the text means depends on the value that it replaces."""

    key: str
    text: str


def parse_overrides(line: str) -> tuple[Override, ...]:
    """Split `a.b=1 c='two words' d=[1, 2]` as a shell would, but for blanks in a list. Raises PipelineError for a word
    that is not key=value."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise PipelineError(f"overrides: {error} in {line!r}") from error
    overrides = []
    for word in _whole_lists(words):
        key, equals, text = word.partition("=")
        if not equals or not all(key.split(".")):
            raise PipelineError(f"overrides: {word!r} is not of the form section.key=value")
        overrides.append(Override(key, text))
    keys = [override.key for override in overrides]
    for key in keys:
        if keys.count(key) > 1:
            raise PipelineError(f"overrides: {key} is given twice")
    return tuple(overrides)


def _whole_lists(words: list[str]) -> Iterator[str]:
    """The words, but those between a bracket that opens and the one that closes it as one."""
    pending = ""
    for word in words:
        pending = f"{pending} {word}" if pending else word
        if pending.count("[") <= pending.count("]"):
            yield pending
            pending = ""
    if pending:
        yield pending


def name_of(overrides: tuple[Override, ...]) -> str:
    """A name for a run with these overrides, of letters that a folder and an experiment may have: `samples-8-b1946ac9`.
    The same overrides, in any order, have the same name and so resume."""
    ordered = sorted(overrides, key=lambda override: override.key)
    text = "\n".join(f"{override.key}={override.text}" for override in ordered)
    words = " ".join(f"{override.key.rpartition('.')[2]} {override.text}" for override in ordered)
    said = re.sub("[^A-Za-z0-9]+", "-", words).strip("-")[:LONGEST].strip("-")
    return f"{said or 'run'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def apply_overrides(text: str, overrides: tuple[Override, ...]) -> str:
    """The YAML document with the new values in it and every other character, comments included, as it was.

    Raises PipelineError for a key that the document does not have, a value of another type than the one it replaces, or
    one that cannot be changed alone.
    """
    try:
        document = _read(text)
    except YAMLError as error:
        raise PipelineError(f"params.yaml: {' '.join(str(error).split())}") from error
    for override in overrides:
        before, after, old = _split(text, document, override.key)
        new = convert(override, old)
        text = before + _as_yaml(new) + after
        wanted = _changed(document, override.key.split("."), new)
        try:
            document = _read(text)
        except YAMLError:
            document = None
        if repr(document) != repr(wanted):  # unlike ==, this tells 1 from 1.0 and from true
            raise PipelineError(
                f"overrides: {override.key}: {override.text!r} would change other values too, or not arrive as it is; "
                "does params.yaml share this value (& and *)?"
            )
    return text


def _read(text: str) -> object:
    return YAML(typ="safe", pure=True).load(text)


def _changed(document: object, path: list[str], new: object) -> object:
    """The document with another value at the path; the given one stays as it is."""
    if not path:
        return new
    assert isinstance(document, dict)
    return {**document, path[0]: _changed(document[path[0]], path[1:], new)}


def _split(text: str, document: object, key: str) -> tuple[str, str, object]:
    """What stands before and what after the value of a dotted key, and the value."""
    node, value = YAML(pure=True).compose(text), document
    for depth, part in enumerate(key.split(".")):
        inner = {name.value: (name, child) for name, child in node.value} if isinstance(node, MappingNode) else {}
        if part not in inner or not isinstance(value, dict) or part not in value:
            known = ", ".join(inner) or "none"
            where = ".".join(key.split(".")[: depth + 1])
            raise PipelineError(f"overrides: {key}: params.yaml has no {where!r}; known there: {known}")
        (name, node), value = inner[part], value[part]
    start, end = node.start_mark.index, _last(node).end_mark.index
    end = start + len(text[start:end].rstrip())  # a block of text takes the empty lines behind it along
    if start == end:  # nothing is written there, and the mark is that of whatever follows
        colon = text.index(":", name.end_mark.index) + 1
        return f"{text[:colon]} ", text[colon:], value
    # the dashes of a list may stand below their key's first letter, where no other value may
    deeper = "  " if node.start_mark.column <= name.start_mark.column else ""
    return text[:start] + deeper, text[end:], value


def _last(node: Node) -> Node:
    """The end of a block: its last value, since its own end lies behind the comments that follow it."""
    while isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(node, MappingNode) else last
    return node


def _as_yaml(value: object) -> str:
    """The value on one line, read the same by YAML 1.1 and 1.2."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        mantissa, *exponent = repr(value).split("e")
        return "e".join([mantissa if "." in mantissa else f"{mantissa}.0", *exponent])
    if isinstance(value, list):
        return f"[{', '.join(_as_yaml(item) for item in value)}]"
    # strings, integers, booleans and null are the same in both; a date arrives as text, which is noticed
    return json.dumps(value, ensure_ascii=False, default=str)


def convert(override: Override, old: object) -> object:
    """The text as a value of the old value's type; where the old value is null, as YAML reads it."""
    if isinstance(old, dict):
        raise PipelineError(f"overrides: {override.key} is a section; name one of {', '.join(map(str, old))}")
    try:
        new = YAML(typ="safe", pure=True).load(override.text)
    except YAMLError as error:
        raise PipelineError(f"overrides: {override.key}: {override.text!r} is not YAML") from error
    if isinstance(old, str):
        return override.text
    if old is None:
        if isinstance(new, (dict, datetime.date)):
            raise PipelineError(f"overrides: {override.key}: expected a plain value, got {override.text!r}")
        return new
    kind = next((kind for kind in KINDS if isinstance(old, kind)), None)
    if kind is None:
        raise PipelineError(f"overrides: {override.key}: a value of type {type(old).__name__} cannot be overridden")
    if kind is float and isinstance(new, int) and not isinstance(new, bool):
        return float(new)
    if not isinstance(new, kind) or (kind is int and isinstance(new, bool)):
        raise PipelineError(f"overrides: {override.key}: expected {KINDS[kind]}, got {override.text!r}")
    return new
