"""JSON with whole numbers of any length a person would write, which Python reads and writes up to 4,300 digits alone.

Python's bound is one for the whole process, and a library has no business in changing it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

MOST_DIGITS = 100_000
"""Reading takes time that grows with the square of the digits: a quarter of a second for so many."""


class LongInteger(int):
    """A whole number that `str` prints, however long it is."""

    def __str__(self) -> str:
        return str(Decimal(self))


def from_json(text: str, *, parse_float: type[float] = float) -> Any:
    """The value of a JSON text. Raises `ValueError` for what is none, and for over `MOST_DIGITS` digits."""
    try:
        return json.loads(text, parse_float=parse_float)
    except json.JSONDecodeError:
        raise
    except ValueError:  # thousands of digits
        return json.loads(text, parse_float=parse_float, parse_int=_integer)


def to_json(value: Any, *, sort_keys: bool = False, ensure_ascii: bool = True, allow_nan: bool = True) -> str:
    """The JSON text of a value, written as `json.dumps` does. Raises `ValueError` for NaN unless `allow_nan`."""
    text = partial(json.dumps, sort_keys=sort_keys, ensure_ascii=ensure_ascii, allow_nan=allow_nan)
    try:
        return text(value)
    except ValueError:  # thousands of digits, or NaN, which is found below
        return _written(value, text, sort_keys)


def _integer(digits: str) -> int:
    limit = sys.get_int_max_str_digits()
    if not limit or len(digits) <= limit:
        return int(digits)
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits, at most {MOST_DIGITS:,} are read")
    return LongInteger(Decimal(digits))


def _written(value: Any, text: Callable[[Any], str], sort_keys: bool) -> str:
    match value:
        case list() | tuple():
            return f"[{', '.join(_written(item, text, sort_keys) for item in value)}]"
        case dict():
            names = sorted(value) if sort_keys else value
            return f"{{{', '.join(f'{text(str(name))}: {_written(value[name], text, sort_keys)}' for name in names)}}}"
        case int() if not isinstance(value, bool):
            return str(Decimal(value))
        case _:
            return text(value)
