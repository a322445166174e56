"""Whether two answers say the same: by kind, and expressions by their values at points of no special form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product

from effopd.mathematics.assignment import assigned, is_name, is_same_name, mapping
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
    PlusMinus,
    Power,
    Product,
    Quantity,
    Relation,
    SetOperation,
    Sum,
    Symbol,
    parts,
    rebuilt,
    symbols,
)
from effopd.mathematics.realset import infinity, real_set
from effopd.mathematics.signs import with_both_signs
from effopd.mathematics.tex import UnreadableError
from effopd.mathematics.value import (
    Log,
    Point,
    Value,
    Values,
    is_real,
    mp,
    number,
    points,
    same_value,
    values,
)

ROUNDED = 6  # decimals from which on a decimal number stands for the exact one that it rounds
_Expression = Number | Symbol | Constant | Sum | Product | Power | Function
_INEQUALITIES = {"<", ">", "\\leq", "\\geq", "\\neq", "\\in"}


def is_equal(gold: Formula, answer: Formula, tolerance: float = 0.0) -> bool:
    """Whether an answer is what the reference says; numbers may differ by `tolerance`, relative to the reference.

    Raises `UnreadableError` where that cannot be told.
    """
    return _Comparison(tolerance, "natural").equal(gold, answer) or (
        any(isinstance(part, Function) and part.name == "log" for side in (gold, answer) for part in parts(side))
        and _Comparison(tolerance, "decimal").equal(gold, answer)
    )


class _Comparison:
    def __init__(self, tolerance: float, log: Log) -> None:
        self._tolerance, self._log = tolerance, log

    def equal(self, gold: Formula, answer: Formula) -> bool:
        golds, answers = list(self._readings(gold)), list(self._readings(answer))
        return any(self._same(one, other) for one, other in product(golds, answers))

    def _readings(self, formula: Formula) -> Iterator[Formula]:
        """What ``x = 1 + 2 = 3`` and ``√2 ≈ 1.414`` come to: one side where all agree, and the rounded one too."""
        if not isinstance(formula, Relation) or not set(formula.operators) <= {"=", "\\approx"}:
            yield formula
            return
        named = is_name(formula.sides[0])
        sides = formula.sides[1:] if named else formula.sides
        if not named and any(symbols(side) for side in sides):
            yield formula
            return
        if not all(isinstance(side, _Expression) for side in sides) or not all(
            self._agree(sides[0], side, formula.operators[place - len(sides) + 1])
            for place, side in enumerate(sides[1:])
        ):
            yield formula
            return
        for side in dict.fromkeys((sides[0], sides[-1])):
            yield Relation(("=",), (formula.sides[0], side)) if named else side

    def _agree(self, first: Formula, side: Formula, operator: str) -> bool:
        if self._expressions(first, side):
            return True
        return operator == "\\approx" and isinstance(side, Number) and self._rounds(side, first, least=0)

    def _same(self, gold: Formula, answer: Formula) -> bool:
        gold_name, gold_value = assigned(gold)
        name, found = assigned(answer)
        if gold_name is not None and name is not None:
            if is_same_name(gold_name, name):
                return self.equal(gold_value, found)
        elif (gold_name is not None or name is not None) and not _are_equations(gold, answer):
            return self.equal(gold_value, found)
        if (of_sets := self._real_sets(gold, answer)) is not None:
            return of_sets
        gold, answer = (with_both_signs(side) for side in (gold, answer))
        if isinstance(gold, Quantity) or isinstance(answer, Quantity):
            return self._quantities(gold, answer)
        if isinstance(gold, PlusMinus) or isinstance(answer, PlusMinus):
            raise UnreadableError("too many signs")
        match gold, answer:
            case Numeral(), Numeral():
                return gold == answer
            case ((Listing() | Collection()), _):
                return self._several(gold, answer)
            case _, (Listing() | Collection()):
                return self._several(answer, gold)
            case Bracketed(), Bracketed():
                alike = (gold.opening, gold.closing) == (answer.opening, answer.closing) or (
                    len(gold.items) > 2
                    and gold.opening + gold.closing in _LISTS
                    and answer.opening + answer.closing in _LISTS
                )
                return alike and self._in_order(gold.items, answer.items)
            case Matrix(), Matrix():
                return len(gold.rows) == len(answer.rows) and all(map(self._in_order, gold.rows, answer.rows))
            case (Matrix(rows), Bracketed() as other) | (Bracketed() as other, Matrix(rows)):  # [[1, 2], [3, 4]]
                return len(rows) == len(_rows(other)) and all(map(self._in_order, rows, _rows(other)))
            case Relation(), Relation():
                return self._relations(gold, answer)
            case SetOperation(), SetOperation():
                if gold.name != answer.name:
                    return False
                if gold.name == "setminus":
                    return self.equal(gold.left, answer.left) and self.equal(gold.right, answer.right)
                return self._in_any_order(_flat(gold), _flat(answer))
            case Builder(), Builder():
                return self.equal(gold.element, answer.element) and self.equal(gold.conditions, answer.conditions)
        if isinstance(gold, _Expression) and isinstance(answer, _Expression):
            return self._expressions(gold, answer)
        return False

    def _real_sets(self, gold: Formula, answer: Formula) -> bool | None:
        """Whether two sets of real numbers are one, if either is written as a set or as inequalities; else None."""
        if not any(map(_is_set, (gold, answer))):
            return None
        one, other = real_set(gold), real_set(answer)
        return one.is_same(other) if one and other else None

    def _quantities(self, gold: Formula, answer: Formula) -> bool:
        """A unit may be missing on one side; where both have one, they must measure the same."""
        if isinstance(gold, Quantity) and isinstance(answer, Quantity):
            units = (gold.unit.of, answer.unit.of)
            if {units[0], units[1]} == {_DEGREE, _RADIAN}:
                return self.equal(_in_radians(gold), _in_radians(answer))
            if gold.unit.percent != answer.unit.percent or units[0] != units[1]:
                return False
            return self.equal(_scaled(gold, gold.unit.factor), _scaled(answer, answer.unit.factor))
        quantity, plain = (gold, answer) if isinstance(gold, Quantity) else (answer, gold)
        assert isinstance(quantity, Quantity)
        meant = [quantity.value]
        if quantity.unit.percent:
            meant.append(_scaled(quantity, quantity.unit.factor))
        if quantity.unit.of == _DEGREE:
            meant.append(_in_radians(quantity))
        if isinstance(plain, Listing | Collection):
            return self._several(plain, quantity)
        return any(self.equal(value, plain) if gold is quantity else self.equal(plain, value) for value in meant)

    def _several(self, several: Listing | Collection, other: Formula) -> bool:
        """A list or a set against anything: sets have no order, and lists only where the other has one."""
        items = several.items
        if isinstance(several, Listing) and (named := mapping(several)) is not None:
            if isinstance(other, Listing) and (others := mapping(other)) is not None:
                return named.keys() == others.keys() and all(self.equal(named[name], others[name]) for name in named)
            if isinstance(other, Bracketed | Listing):
                return self._in_order([named[name] for name in sorted(named)], other.items)
            return False
        if isinstance(several, Collection) and len(items) == 1 and not isinstance(other, Listing | Collection):
            return self.equal(items[0], other)  # the set of one solution
        if isinstance(other, Bracketed):
            return isinstance(several, Listing) and other.opening == "(" and self._in_order(items, other.items)
        if isinstance(other, Listing) and mapping(other) is not None:
            return self._several(other, several)
        others_items = other.items if isinstance(other, Listing | Collection) else (other,)
        if isinstance(several, Listing) and isinstance(other, Listing):
            joins = {several.joined, other.joined}
            if any(isinstance(item, Relation) and assigned(item)[0] is None for item in items) and joins == {
                "and",
                "or",
            }:
                return False
        elif isinstance(several, Collection) and not isinstance(other, Collection | Listing):
            return False
        return self._in_any_order(items, others_items)

    def _in_order(self, golds: Sequence[Formula], answers: Sequence[Formula]) -> bool:
        return len(golds) == len(answers) and all(map(self.equal, golds, answers))

    def _in_any_order(self, golds: Sequence[Formula], answers: Sequence[Formula]) -> bool:
        """Whether each item has another for a partner: equal ones are so to all, so the first will do."""
        left = list(answers)
        for gold in golds:
            partner = next((place for place, answer in enumerate(left) if self.equal(gold, answer)), None)
            if partner is None:
                return False
            del left[partner]
        return not left

    def _relations(self, gold: Relation, answer: Relation) -> bool:
        if len(gold.operators) == len(answer.operators) == 1:
            (operator, left, right), (other, other_left, other_right) = map(_turned, (gold, answer))
            if operator != other:
                return False
            sides = (left, right, other_left, other_right)
            if operator in ("=", "\\neq", "<", "\\leq") and all(isinstance(side, _Expression) for side in sides):
                if operator == "=" and (self._solves(gold, answer) or self._solves(answer, gold)):
                    return True
                return self._proportional((left, right), (other_left, other_right), positive=operator in ("<", "\\leq"))
            return self.equal(left, other_left) and self.equal(right, other_right)
        turned = Relation(tuple(_FLIPPED.get(o, o) for o in answer.operators[::-1]), answer.sides[::-1])
        return any(
            gold.operators == other.operators and self._in_order(gold.sides, other.sides) for other in (answer, turned)
        )

    def _proportional(self, gold: tuple[Formula, Formula], answer: tuple[Formula, Formula], *, positive: bool) -> bool:
        """Whether the differences of the sides of two relations have one ratio everywhere, so that both hold alike."""
        differences = [Sum((left, Product((MINUS_ONE, right)))) for left, right in (gold, answer)]
        names = sorted(set().union(*map(symbols, differences)))
        ratio: Value = None
        for point in (*points(names, *differences), Point(20, scale=Fraction(7))):
            one, other = self._values(differences, point).found
            if (one is None and other is None) or (point.negative and not is_real(one) and not is_real(other)):
                continue
            if not one or not other:
                return False  # as AB = BA, which holds for all numbers
            found = (
                one / other
                if isinstance(one, Fraction) and isinstance(other, Fraction)
                else number(one) / number(other)
            )
            if ratio is not None and not same_value(ratio, found):
                return False
            ratio = found
        return ratio is not None and (not positive or bool(is_real(ratio) and mp.re(number(ratio)) > 0))

    def _solves(self, solved: Relation, equation: Relation) -> bool:
        """Whether ``y = f(x)`` is what an equation linear in y says."""
        name, found = assigned(solved)
        if not isinstance(name, Symbol) or name.name in symbols(found) or not isinstance(found, _Expression):
            return False
        left, right = equation.sides
        difference = Sum((left, Product((MINUS_ONE, right))))
        tried = [found, Number(Fraction(0)), Number(Fraction(1)), Number(Fraction(2))]
        differences = [_with_value(difference, name, one) for one in tried]
        for point in (Point(0), Point(1), Point(2)):
            at = self._values(differences, point)
            if any(one is None for one in at.found):
                return False
            here, *ys = at.found
            zero, one, two = map(number, ys)
            if here != 0 or same_value(zero, one) or not same_value(two - one, one - zero):
                return False
        return True

    def _expressions(self, gold: Formula, answer: Formula) -> bool:
        if not (isinstance(gold, _Expression) and isinstance(answer, _Expression)):
            return False
        if gold == answer:
            return True
        if any(isinstance(side, Product) and is_name(side) for side in (gold, answer)):
            return False  # AB and BA may be matrices
        ends = infinity(gold), infinity(answer)
        if ends != (None, None):
            return ends[0] == ends[1]
        names = sorted(symbols(gold) | symbols(answer))
        if not names and self._close(gold, answer):
            return True
        defined = 0
        for point in points(names, gold, answer):
            at = self._values((gold, answer), point)
            one, other = at.found
            if one is None and other is None:
                continue
            if one is None or other is None:
                return False
            if point.negative and not is_real(one) and not is_real(other):
                continue  # roots and logarithms have several branches there
            if not same_value(one, other, at.digits):
                return False
            defined += 1
        return defined > (1 if names else 0)

    def _values(self, formulas: Sequence[Formula], point: Point) -> Values:
        return values(formulas, point, self._log)

    def _close(self, gold: Formula, answer: Formula) -> bool:
        """Whether one number is a rounding of the other, or as close to it as the tolerance allows."""
        if self._tolerance:
            expected, found = self._values((gold, answer), Point(0)).found
            if expected is not None and found is not None:
                distance = abs(number(expected) - number(found))
                return bool(distance <= self._tolerance * abs(number(expected)))
        for one, other in ((gold, answer), (answer, gold)):
            if isinstance(one, Number) and not (isinstance(other, Number) and other.decimals):
                return self._rounds(one, other, least=ROUNDED)
        return False

    def _rounds(self, rounded: Number, exact: Formula, least: int) -> bool:
        """Whether a decimal number with at least so many decimals is another one, rounded or cut off there."""
        if rounded.decimals < least or abs(rounded.value) * 10**rounded.decimals < 10 ** max(least - 1, 0):
            return False
        found = self._values([exact], Point(0)).found[0]
        if found is None or not is_real(found):
            return False
        unit = Fraction(1, 10**rounded.decimals)
        off = mp.re(number(found)) - number(rounded.value)
        return bool(abs(off) <= number(unit) / 2) or bool(
            least and abs(off) < number(unit) and off * number(rounded.value) > 0
        )


_LISTS = ("()", "[]")
_FLIPPED = {"<": ">", ">": "<", "\\leq": "\\geq", "\\geq": "\\leq"}
_DEGREE, _RADIAN = (("°", 1),), (("rad", 1),)


def _is_set(formula: Formula) -> bool:
    match formula:
        case SetOperation() | Builder() | Symbol("\\mathbb{R}"):
            return True
        case Relation(operators):
            return set(operators) <= _INEQUALITIES
        case Listing(items):
            return all(isinstance(item, Relation) and set(item.operators) <= _INEQUALITIES for item in items)
    return False


def _are_equations(gold: Formula, answer: Formula) -> bool:
    return all(isinstance(side, Relation) and side.operators == ("=",) for side in (gold, answer))


def _with_value(formula: Formula, name: Symbol, found: Formula) -> Formula:
    return found if formula == name else rebuilt(formula, lambda part: _with_value(part, name, found))


def _rows(lists: Bracketed) -> list[tuple[Formula, ...]]:
    """The rows of a matrix that is written as a list of lists; none for other lists."""
    rows = [item.items for item in lists.items if isinstance(item, Bracketed) and item.opening == "["]
    return rows if len(rows) == len(lists.items) else []


def _turned(relation: Relation) -> tuple[str, Formula, Formula]:
    """A relation with > and ≥ the other way round."""
    (operator,), (left, right) = relation.operators, relation.sides
    if operator in (">", "\\geq"):
        return _FLIPPED[operator], right, left
    return operator, left, right


def _flat(operation: Formula, name: str = "") -> list[Formula]:
    """The sets of a union, or of an intersection."""
    if isinstance(operation, SetOperation) and name in ("", operation.name):
        return [*_flat(operation.left, operation.name), *_flat(operation.right, operation.name)]
    return [operation]


def _scaled(quantity: Quantity, factor: Fraction) -> Formula:
    return quantity.value if factor == 1 else _each(quantity.value, lambda part: Product((part, Number(factor))))


def _in_radians(quantity: Quantity) -> Formula:
    if quantity.unit.of == _RADIAN:
        return quantity.value
    return _each(quantity.value, lambda part: Product((part, Constant("degree"))))


def _each(formula: Formula, change: Callable[[Formula], Formula]) -> Formula:
    """A change of an expression, or of each part of a list of them."""
    if isinstance(formula, Listing | Collection | Bracketed):
        return replace(formula, items=tuple(_each(item, change) for item in formula.items))
    return PlusMinus(_each(formula.term, change), formula.upper) if isinstance(formula, PlusMinus) else change(formula)
