"""Sets of real numbers as unions of intervals, from inequalities in one variable or however else they are written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cmp_to_key

from effopd.mathematics.formula import (
    MINUS_ONE,
    Bracketed,
    Builder,
    Collection,
    Constant,
    Formula,
    Function,
    Listing,
    Product,
    Relation,
    SetOperation,
    Sum,
    Symbol,
    parts,
    symbols,
)
from effopd.mathematics.tex import UnreadableError
from effopd.mathematics.value import Point, Value, is_real, mp, number, same_value, values

_REALS = "\\mathbb{R}"
_PLACES = (Fraction(0), Fraction(1), Fraction(-307, 211), Fraction(1009, 97))
_FLIPPED = {"<": ">", ">": "<", "\\leq": "\\geq", "\\geq": "\\leq"}


@dataclass(frozen=True)
class Cut:
    """A place between numbers: just before `at`, or just after it. at: an infinity is a float."""

    at: Value
    after: bool


Cuts = tuple[Cut, ...]
"""A set by the places where it begins and ends, in turn."""

_LOWEST, _HIGHEST = Cut(-math.inf, after=True), Cut(math.inf, after=False)


@dataclass(frozen=True)
class RealSet:
    """A set; variable: the one whose values it holds, empty where none is named."""

    cuts: Cuts
    variable: str

    def is_same(self, other: RealSet) -> bool:
        named = self.variable == other.variable or not (self.variable and other.variable)
        return named and len(self.cuts) == len(other.cuts) and not any(map(_compared, self.cuts, other.cuts))


def real_set(formula: Formula) -> RealSet | None:
    """The set that a formula describes; None where it is none of real numbers, or not known by numbers alone."""
    try:
        return _read(formula)
    except UnreadableError:
        return None


def _read(formula: Formula) -> RealSet | None:
    match formula:
        case Symbol(name) if name == _REALS:
            return RealSet((_LOWEST, _HIGHEST), "")
        case Bracketed(opening, (low, high), closing):
            begin, end = Cut(_end(low), after=opening == "("), Cut(_end(high), after=closing == "]")
            return RealSet((begin, end), "") if _compared(begin, end) < 0 else None
        case Collection(items):
            cuts: Cuts = ()
            for item in items:
                at = _end(item)
                cuts = _combined(cuts, (Cut(at, after=False), Cut(at, after=True)), lambda a, b: a or b)
            return RealSet(cuts, "")
        case SetOperation(name, left, right):
            keep = _or if name == "cup" else _and if name == "cap" else _without
            return _joined(keep, _read(left), _read(right))
        case Relation(operators, sides):
            found = [_bound(sides[i], operator, sides[i + 1]) for i, operator in enumerate(operators)]
            return _all(found, _and)
        case Listing(items, joined):
            if not all(isinstance(item, Relation) for item in items):
                return None
            sets = [_read(item) for item in items]
            both = _all(sets, _or if joined == "or" else _and)
            if both and not both.cuts and joined == ",":  # x < -2, x > 2
                return _all(sets, _or)
            return both
        case Builder(Symbol(name), conditions):
            found_set = _read(conditions)
            return RealSet(found_set.cuts, "") if found_set and found_set.variable in (name, "") else None
        case Builder(Relation(("\\in",), (Symbol(name), Symbol(where))), conditions) if where == _REALS:
            return _read(Builder(Symbol(name), conditions))
    return None


def _bound(left: Formula, operator: str, right: Formula) -> RealSet | None:
    """The values of one variable for which a relation holds that is linear in it."""
    if operator == "\\in" and isinstance(left, Symbol):
        found = _read(right)
        return RealSet(found.cuts, left.name) if found else None
    if (infinity(right) or -(infinity(left) or 0)) == (1 if operator in ("<", "\\leq") else -1):
        inside = left if infinity(right) else right  # x < ∞
        return RealSet((_LOWEST, _HIGHEST), inside.name) if isinstance(inside, Symbol) else None
    names = symbols(left) | symbols(right)
    if len(names) != 1 or operator not in (*_FLIPPED, "\\neq", "="):
        return None
    (name,) = names
    if any(isinstance(part, Function) and symbols(part) for side in (left, right) for part in parts(side)):
        return None
    difference = Sum((left, Product((MINUS_ONE, right))))
    at = [_real(values([difference], _At(name, x)).found[0]) for x in _PLACES]
    if not all(isinstance(y, Fraction) for y in at):
        at = [number(y) for y in at]
    slope = at[1] - at[0]
    if (
        not all(
            same_value(y, at[0] + (x if isinstance(slope, Fraction) else number(x)) * slope)
            for x, y in zip(_PLACES[2:], at[2:], strict=True)
        )
        or not slope
    ):
        return None
    if slope < 0:
        operator = _FLIPPED.get(operator, operator)
    bound = -at[0] / slope
    before, after = Cut(bound, after=False), Cut(bound, after=True)
    match operator:
        case "<":
            cuts: Cuts = (_LOWEST, before)
        case "\\leq":
            cuts = (_LOWEST, after)
        case ">":
            cuts = (after, _HIGHEST)
        case "\\geq":
            cuts = (before, _HIGHEST)
        case "=":
            cuts = (before, after)
        case _:
            cuts = (_LOWEST, before, after, _HIGHEST)
    return RealSet(cuts, name)


class _At(Point):
    """A point at which one variable has a given value."""

    def __init__(self, name: str, x: Fraction) -> None:
        super().__init__(0)
        self._name, self._x = name, x

    def __getitem__(self, name: str) -> Fraction:
        return self._x if name == self._name else super().__getitem__(name)


def _end(formula: Formula) -> Value:
    """An end of an interval: a real number without variables, or an infinity."""
    if (sign := infinity(formula)) is not None:
        return sign * math.inf
    if symbols(formula):
        raise UnreadableError("an end that is not known")
    return _real(values([formula], Point(0)).found[0])


def infinity(formula: Formula) -> int | None:
    """The sign of an infinity; None for anything else."""
    if formula == Constant("infinity"):
        return 1
    if isinstance(formula, Product) and formula.factors[1:] == (Constant("infinity"),):
        return -1
    return None


def _real(found: Value | None) -> Value:
    if found is None or not is_real(found):
        raise UnreadableError("an end that is not real")
    return found if isinstance(found, Fraction) else mp.re(found)


def _all(sets: list[RealSet | None], keep: Callable[[bool, bool], bool]) -> RealSet | None:
    total = sets[0]
    for other in sets[1:]:
        total = _joined(keep, total, other)
    return total


def _joined(keep: Callable[[bool, bool], bool], left: RealSet | None, right: RealSet | None) -> RealSet | None:
    if left is None or right is None or (left.variable and right.variable and left.variable != right.variable):
        return None
    return RealSet(_combined(left.cuts, right.cuts, keep), left.variable or right.variable)


def _combined(left: Cuts, right: Cuts, keep: Callable[[bool, bool], bool]) -> Cuts:
    """Sweep over the cuts of two sets from below."""
    marked = sorted(
        [(cut, 0) for cut in left] + [(cut, 1) for cut in right], key=lambda marked_cut: _ORDER(marked_cut[0])
    )
    inside, kept = [False, False], False
    cuts: list[Cut] = []
    for place, (cut, which) in enumerate(marked):
        inside[which] = not inside[which]
        if place + 1 < len(marked) and not _compared(cut, marked[place + 1][0]):
            continue
        if keep(*inside) != kept:
            kept = not kept
            cuts.append(cut)
    return tuple(cuts)


def _compared(one: Cut, other: Cut) -> int:
    if isinstance(one.at, float) or isinstance(other.at, float):
        if one.at == other.at:
            return 0
        return -1 if one.at == -math.inf or other.at == math.inf else 1
    if same_value(one.at, other.at):
        return one.after - other.after
    return -1 if number(one.at) < number(other.at) else 1


_ORDER = cmp_to_key(_compared)


def _and(left: bool, right: bool) -> bool:
    return left and right


def _or(left: bool, right: bool) -> bool:
    return left or right


def _without(left: bool, right: bool) -> bool:
    return left and not right
