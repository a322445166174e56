"""Answers that are written with ± and mean several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from effopd.mathematics.formula import (
    MINUS_ONE,
    Collection,
    Formula,
    Listing,
    PlusMinus,
    Product,
    Relation,
    parts,
    rebuilt,
)
from effopd.mathematics.tex import UnreadableError

MOST_SIGNS = 4  # in one answer


def with_both_signs(formula: Formula) -> Formula:
    """``1 ± √2`` as a list of both; signs of ± alone are independent, with an ∓ they go together."""
    if isinstance(formula, Listing | Collection):
        items: list[Formula] = []
        for item in formula.items:
            both = with_both_signs(item)
            items.extend(both.items if isinstance(both, Listing) and not isinstance(item, Listing) else [both])
        return replace(formula, items=tuple(items))
    signs = [part for part in parts(formula) if isinstance(part, PlusMinus)]
    if not signs:
        return formula
    if len(signs) > MOST_SIGNS:
        raise UnreadableError("too many signs")
    joined = "and" if isinstance(formula, Relation) and "\\neq" in formula.operators else ","
    if any(sign.upper < 0 for sign in signs):
        choices = [(1,) * len(signs), (-1,) * len(signs)]
    else:
        choices = list(product((1, -1), repeat=len(signs)))
    return Listing(tuple(_signed(formula, iter(choice)) for choice in choices), joined)


def _signed(formula: Formula, signs: Iterator[int]) -> Formula:
    """A formula in which each ± is one of its signs."""
    if isinstance(formula, PlusMinus):
        positive = next(signs) * formula.upper > 0
        term = _signed(formula.term, signs)
        return term if positive else Product((MINUS_ONE, term))
    return rebuilt(formula, lambda part: _signed(part, signs))
