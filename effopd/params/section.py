"""What all sections share: strict parsing, and errors that name the key in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


class ParamsError(ValueError):
    """One line that names the key and says what is wrong with it."""


class Section(BaseModel):
    """Frozen, strict (no "3" for 3) and closed (an unknown key is an error)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _a_pin(revision: str) -> str:
    if revision and not re.fullmatch("[0-9a-f]{40}", revision):
        raise ValueError("must be 40 hexadecimal digits, or empty")
    return revision


Pin = Annotated[str, AfterValidator(_a_pin)]
"""What a name stands for: on the hub a commit, as branches and tags move; of a folder its hash. Empty: not pinned."""

AnySection = TypeVar("AnySection", bound=Section)


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror})") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: expected sections at the top level, found {type(values).__name__}")
    return values


def parse(section: type[AnySection], name: str, values: Any, path: Path = Path("params.yaml")) -> AnySection:
    """Check one section. Raises `ParamsError` with the first wrong key, written as in `dvc exp run -S`."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in ((name,) if name else ()) + first["loc"])
        place = f"{path}: {key}" if key else f"{path}"
        if first["type"] == "extra_forbidden":
            known = ", ".join(_section_at(section, first["loc"][:-1]).model_fields)
            raise ParamsError(f"{place}: unknown key (known: {known})") from None
        message = first["msg"].removeprefix("Value error, ")
        is_value = first["type"] != "missing" and not isinstance(first["input"], dict)  # a whole section is no help
        found = f", found {first['input']!r}" if is_value else ""
        raise ParamsError(f"{place}: {message[0].lower()}{message[1:]}{found}") from None


def read_section(path: Path, name: str, section: type[AnySection]) -> AnySection:
    """Read and check the section `name` of a params file."""
    values = read_yaml(path)
    if name not in values:
        raise ParamsError(f"{path}: {name}: the section is missing")
    return parse(section, name, values[name], path)


def _section_at(section: type[Section], keys: Iterable[int | str]) -> type[Section]:
    """The model of the subsection that `keys` lead to."""
    keys = iter(keys)
    for key in keys:
        inner = section.model_fields[str(key)].annotation
        if arguments := get_args(inner):  # a dictionary of subsections: the next key is the user's own
            inner = arguments[-1]
            next(keys, None)
        assert isinstance(inner, type) and issubclass(inner, Section)
        section = inner
    return section
