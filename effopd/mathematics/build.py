"""Products, negatives and numerals from their parts, refused where they would not be what they look like."""

from __future__ import annotations

import re

from effopd.mathematics.formula import (
    MINUS_ONE,
    Bracketed,
    Builder,
    Collection,
    Constant,
    Formula,
    Function,
    Listing,
    Matrix,
    Number,
    Numeral,
    Power,
    Product,
    Quantity,
    Relation,
    SetOperation,
    Sum,
    Symbol,
)
from effopd.mathematics.tex import Nodes, UnreadableError, spell
from effopd.mathematics.units import NUMBERS, unit_of

_NUMERAL = re.compile(r"\(?([0-9A-F]+)\)?_\{\(?(?:BASE)?(\d+|[A-Z]+)\)?\}|([0-9A-F]+)\(?(?:IN)?BASE(\d+)\)?")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARKS = frozenset({"T", "\\top", "\\dagger", "*", "\\perp", "+", "-", "'", "\\times", "\\circ"})  # transposed, …
_SIGNED = (Constant("degree"), Constant("percent"))
_NoNumber = Bracketed | Collection | Builder | Matrix | Relation | Listing | SetOperation | Quantity


def product(factors: list[Formula]) -> Formula:
    """A product; a matrix takes the numbers before it into its cells. Raises where the order may matter."""
    flat: list[Formula] = []
    for factor in factors:
        flat.extend(factor.factors if isinstance(factor, Product) else [factor])
    if len(flat) == 1:
        return flat[0]
    inverses = sum(isinstance(factor, Function) and factor.name == "inverse" for factor in flat)
    if inverses and inverses + sum(map(is_capital, flat)) > 1:
        raise UnreadableError("a product of matrices")
    last = flat[-1]
    if isinstance(last, Matrix) and not any(isinstance(factor, _NoNumber) for factor in flat[:-1]):
        return Matrix(tuple(tuple(product([*flat[:-1], cell]) for cell in row) for row in last.rows))
    if any(isinstance(factor, _NoNumber) for factor in flat):
        raise UnreadableError("a product of what is no number")
    return Product(tuple(flat))


def negative(formula: Formula) -> Formula:
    if isinstance(formula, Number):
        return Number(-formula.value, formula.decimals)
    return product([MINUS_ONE, formula])


def total(terms: list[Formula]) -> Formula:
    if len(terms) == 1:
        return terms[0]
    if any(isinstance(term, _NoNumber) for term in terms):
        raise UnreadableError("a sum of what is no number")
    return Sum(tuple(terms))


def logarithm(base: Formula, arguments: tuple[Formula, ...]) -> Formula:
    return product([Function("ln", arguments, known=True), Power(Function("ln", (base,), known=True), MINUS_ONE)])


def with_its_sign(value: Formula) -> Formula:
    """30° and 50 % as quantities, where they are no part of a formula."""
    if isinstance(value, Product) and value.factors[-1] in _SIGNED:
        unit = unit_of("°" if value.factors[-1] == Constant("degree") else "%")
        if unit and not any(factor in _SIGNED for factor in value.factors[:-1]):
            return Quantity(product(list(value.factors[:-1])), unit)
    return value


def is_capital(formula: Formula) -> bool:
    """Whether a factor is a capital letter, as matrices are, or a power of one."""
    symbol = formula.base if isinstance(formula, Power) else formula
    return isinstance(symbol, Symbol) and symbol.name[0].isupper()


def is_marked(base: Formula, mark: str) -> bool:
    """Whether an exponent is none: transposes, conjugates, complements; T is one behind what may be a matrix."""
    if mark in ("t", "H"):
        return isinstance(base, Symbol) and is_capital(base)
    return mark in _MARKS and not (mark == "T" and isinstance(base, Number | Constant))


def is_compound(argument: Formula) -> bool:
    """Whether brackets around it may hold together a factor: those around a name or -x apply a function."""
    if isinstance(argument, Product):
        return len(argument.factors) > 2 or argument.factors[0] != MINUS_ONE
    return isinstance(argument, Sum | Power | Function)


def numeral(nodes: Nodes) -> Numeral | None:
    """Digits whose base is written behind them: ``63_8``, ``(63)_{8}``, “63 in base 8”."""
    if len(nodes) > 40 or not (match := _NUMERAL.fullmatch(spell(nodes).upper())):
        return None
    digits, written = match[1] or match[3], match[2] or match[4]
    base = NUMBERS.get(written.lower(), 0) if written.isalpha() else int(written[:3])
    if not digits[0].isdigit() or not 2 <= base <= 36 or any(_DIGITS.index(digit) >= base for digit in digits):
        return None
    return Numeral(digits.lstrip("0") or "0", base)
