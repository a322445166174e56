"""What an answer says, as a tree: numbers and expressions, relations, lists, tuples and intervals, sets, matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

from effopd.mathematics.units import Unit


@dataclass(frozen=True)
class Number:
    """A number; decimals: how many digits it has behind its point, 0 for a whole number."""

    value: Fraction
    decimals: int = 0


@dataclass(frozen=True)
class Symbol:
    """A variable or any other name, index and primes included, in TeX's one spelling; sets of numbers too."""

    name: str


@dataclass(frozen=True)
class Constant:
    """`pi`, `e`, `i`, `degree`, `percent` or `infinity`."""

    name: str


@dataclass(frozen=True)
class Sum:
    terms: tuple[Formula, ...]


@dataclass(frozen=True)
class Product:
    factors: tuple[Formula, ...]


@dataclass(frozen=True)
class Power:
    base: Formula
    exponent: Formula


@dataclass(frozen=True)
class Function:
    """A function that is applied; known: whether its name says which, as `sin`; `f` is any."""

    name: str
    arguments: tuple[Formula, ...]
    known: bool


@dataclass(frozen=True)
class PlusMinus:
    """A term with both signs; upper: the sign that goes with the upper one of others, 1 for ± and -1 for ∓."""

    term: Formula
    upper: int


@dataclass(frozen=True)
class Relation:
    """``a < b ≤ c``: one operator fewer than sides."""

    operators: tuple[str, ...]
    sides: tuple[Formula, ...]


@dataclass(frozen=True)
class Listing:
    """Several answers, joined by `,`, `and` or `or`; their order says nothing."""

    items: tuple[Formula, ...]
    joined: str


@dataclass(frozen=True)
class Bracketed:
    """A tuple, a vector, or an interval where there are two items; opening and closing are `(`, `[`, `)`, `]`."""

    opening: str
    items: tuple[Formula, ...]
    closing: str


@dataclass(frozen=True)
class Collection:
    """A set by its elements, as often as they are written."""

    items: tuple[Formula, ...]


@dataclass(frozen=True)
class Builder:
    """The set of all `element` that meet the conditions."""

    element: Formula
    conditions: Formula


@dataclass(frozen=True)
class SetOperation:
    """`cup`, `cap` or `setminus`."""

    name: str
    left: Formula
    right: Formula


@dataclass(frozen=True)
class Matrix:
    rows: tuple[tuple[Formula, ...], ...]


@dataclass(frozen=True)
class Quantity:
    """A value with its unit."""

    value: Formula
    unit: Unit


@dataclass(frozen=True)
class Numeral:
    """Digits in a base that is not ten by custom: ``101_2``."""

    digits: str
    base: int


Formula = (
    Number | Symbol | Constant | Sum | Product | Power | Function | PlusMinus | Relation | Listing | Bracketed
    | Collection | Builder | SetOperation | Matrix | Quantity | Numeral
)  # fmt: skip

ONE, MINUS_ONE, HALF = Number(Fraction(1)), Number(Fraction(-1)), Number(Fraction(1, 2))


def separate(content: Formula) -> tuple[Formula, ...]:
    """What commas part, or the one thing that there is."""
    return content.items if isinstance(content, Listing) and content.joined == "," else (content,)


def parts(formula: Formula) -> Iterator[Formula]:
    """A formula and all that it is made of, from left to right."""
    yield formula
    for field in fields(formula):
        yield from _parts(getattr(formula, field.name))


def rebuilt(formula: Formula, change: Callable[[Formula], Formula]) -> Formula:
    """A formula of the same kind whose next parts are changed, from left to right."""
    whole: Any = formula
    return replace(whole, **{field.name: _changed(getattr(whole, field.name), change) for field in fields(formula)})


def symbols(formula: Formula) -> set[str]:
    """The names of all variables."""
    return {part.name for part in parts(formula) if isinstance(part, Symbol)}


def _parts(content: object) -> Iterator[Formula]:
    if isinstance(content, Formula):
        yield from parts(content)
    elif isinstance(content, tuple):
        for item in content:
            yield from _parts(item)


def _changed(content: Any, change: Callable[[Formula], Formula]) -> Any:
    if isinstance(content, Formula):
        return change(content)
    return tuple(_changed(item, change) for item in content) if isinstance(content, tuple) else content
