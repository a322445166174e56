"""Answers that say what they are the answer to: ``x = 5``, ``f(x) = x^2``, ``x = 1, y = 2``."""

from __future__ import annotations

from effopd.mathematics.formula import Bracketed, Formula, Function, Listing, Number, Product, Relation, Symbol, parts

UNKNOWNS = frozenset("xyz")


def is_name(formula: Formula) -> bool:
    """Whether a formula only names what it stands for: ``x``, ``f(x)``, a length ``AB``, a tuple of names."""
    match formula:
        case Symbol():
            return True
        case Function(known=known):
            return not known
        case Bracketed(items=items):
            return all(isinstance(item, Symbol) for item in items)
        case Product(factors):
            return all(isinstance(f, Symbol) and len(f.name) == 1 and f.name.isupper() for f in factors)
    return False


def assigned(formula: Formula) -> tuple[Formula | None, Formula]:
    """The name and the value of ``x = 5``, ``5 = x`` and ``x ∈ {1, 2}``; None and the formula itself for others."""
    if isinstance(formula, Relation) and formula.operators in (("=",), ("\\in",)):
        name, found = formula.sides
        if not is_name(name) and is_name(found) and isinstance(name, Number) and formula.operators == ("=",):
            name, found = found, name
        if is_name(name) and (formula.operators == ("\\in",) or not is_name(found) or _asks(name, found)):
            return name, found
    return None, formula


def _asks(name: Formula, found: Formula) -> bool:
    """Whether name = name says what was asked for, as f(x) = x and x = k, or that two things are equal."""
    if isinstance(name, Function):
        return isinstance(found, Symbol)
    unknown = isinstance(name, Symbol) and name.name in UNKNOWNS
    return unknown and name not in parts(found) and not (isinstance(found, Symbol) and found.name[0] in UNKNOWNS)


def is_same_name(one: Formula, other: Formula) -> bool:
    if isinstance(one, Symbol) and isinstance(other, Symbol):
        return one.name == other.name or (len(one.name) == 1 and one.name.casefold() == other.name.casefold())
    applied = isinstance(one, Function) or isinstance(other, Function)
    return one == other or (applied and Symbol("y") in (one, other))  # f(x) = 2x and y = 2x


def mapping(listing: Listing) -> dict[str, Formula] | None:
    """Values by name, where all items are assignments to different names."""
    pairs = [assigned(item) for item in listing.items]
    if not all(isinstance(name, Symbol) for name, _ in pairs):
        return None
    named = {name.name: found for name, found in pairs if isinstance(name, Symbol)}
    return named if len(named) == len(pairs) else None
