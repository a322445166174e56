"""What all sections share: strict parsing, and errors that name the key in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


class ParamsError(ValueError):
    """One line that names the key and says what is wrong with it."""


class Section(BaseModel):
    """Frozen, strict (no "3" for 3) and closed (an unknown key is an error)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


AnySection = TypeVar("AnySection", bound=Section)


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
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
        found = "" if first["type"] == "missing" else f", found {first['input']!r}"
        known = f" (known: {', '.join(section.model_fields)})" if first["type"] == "extra_forbidden" else ""
        message = "unknown key" if known else first["msg"][0].lower() + first["msg"][1:]
        raise ParamsError(f"{path}: {key}: {message}{found if not known else ''}{known}") from None


def read_section(path: Path, name: str, section: type[AnySection]) -> AnySection:
    """Read and check the section `name` of a params file."""
    values = read_yaml(path)
    if name not in values:
        raise ParamsError(f"{path}: {name}: the section is missing")
    return parse(section, name, values[name], path)
