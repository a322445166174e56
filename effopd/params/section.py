"""What all sections share: strict parsing, and errors that name the key in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from effopd.errors import one_line
from effopd.params.reading import ParamsError, read_yaml

_UNSHOWN = "unshown"  # the type of errors whose value is not shown


class Section(BaseModel):
    """Frozen, strict (no "3" for 3) and closed (an unknown key is an error)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def idle(self) -> tuple[str, ...]:
        """The keys that nothing reads at the present values of the others."""
        return ()


def _a_pin(revision: str) -> str:
    if revision and not re.fullmatch("[0-9a-f]{40}", revision):
        raise ValueError("must be 40 hexadecimal digits, or empty")
    return revision


def is_name(name: str) -> bool:
    return re.fullmatch(r"\w[\w.-]{0,59}", name) is not None


def _a_name(name: str) -> str:
    if not is_name(name):
        raise ValueError("a name has letters, digits, '.', '_' and '-', 60 at most, and begins with a letter or digit")
    return name


def is_place(place: str) -> bool:
    return len(place) <= 200 and re.fullmatch(r"/?(\w[\w.-]*/)*\w[\w.-]*|", place) is not None


def _a_place(place: str) -> str:
    if not is_place(place):
        raise ValueError("must be empty, a name, OWNER/NAME, or the path of a folder")
    return place


def _a_url(url: str) -> str:
    if set("@?#") & set(url):
        raise PydanticCustomError(_UNSHOWN, "must be a server's address alone: see docs/safety.md for keys")
    if url and not re.fullmatch(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(/[\w./~-]*)?", url):
        raise ValueError("must be empty, or the URL of a vLLM server, such as http://127.0.0.1:8000")
    return url


Pin = Annotated[str, AfterValidator(_a_pin)]
"""What a name stands for: on the hub a commit, as branches and tags move; of a folder its hash. Empty: not pinned."""
Name = Annotated[str, AfterValidator(_a_name)]
"""Becomes a part of names of files and of commands."""
Place = Annotated[str, AfterValidator(_a_place)]
"""A name, one on the hub, or a folder of this project."""
Url = Annotated[str, AfterValidator(_a_url)]
"""Of a server, without a key in it, since params are recorded and printed. Empty: none."""

AnySection = TypeVar("AnySection", bound=Section)


def parse(section: type[AnySection], name: str, values: Any, path: Path = Path("params.yaml")) -> AnySection:
    """Check one section. Raises `ParamsError` with the first wrong key, written as in `dvc exp run -S`."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        keys = [str(part) for part in ((name,) if name else ()) + first["loc"] if part != "[key]"]
        key = one_line(".".join(keys), 100)
        place = f"{path}: {key}" if key else f"{path}"
        if first["type"] == "extra_forbidden":
            known = ", ".join(_section_at(section, first["loc"][:-1]).model_fields)
            raise ParamsError(f"{place}: unknown key (known: {known})") from None
        message = first["msg"].removeprefix("Value error, ")
        shown = first["type"] not in ("missing", _UNSHOWN) and not isinstance(first["input"], dict)  # no whole section
        found = f", found {one_line(repr(first['input']), 100)}" if shown else ""
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
