"""The value of an expression where each variable has one: exact as long as it is rational, else to enough digits.

How many are enough follows from the numbers that come up on the way: with three times as many digits as the longest or
smallest of them has, 1 − 2⁻⁹⁹ is not 1, and what still cancels is zero.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from mpmath import mp as _shared

from effopd.mathematics.formula import (
    Constant,
    Formula,
    Function,
    Number,
    Power,
    Product,
    Sum,
    Symbol,
    parts,
    symbols,
)
from effopd.mathematics.tex import UnreadableError

mp: Any = _shared.clone()

DIGITS = 50  # of a number of a few digits
MOST_DIGITS = 5_000
MOST_BITS = 400_000  # of an exact number
GUARD = 15  # digits that rounding may have spoilt
mp.dps = DIGITS + GUARD
LARGEST_FACTORIAL = 20_000
MOST_NAMES = 4  # whose signs are tried
_PIECEWISE = {"abs", "floor", "ceil", "max", "min", "sgn"}

Log = Literal["natural", "decimal"]
Value = Any  # a Fraction, or an mpf or mpc of this module's context


@dataclass(frozen=True)
class Values:
    """What formulas come to at a point; None where one has no value there, as 1/x at 0."""

    found: list[Value | None]
    digits: int


class _UndefinedError(ValueError):
    """There is no value at this point."""


class Point:
    """A value of no special form for every name; `number` and `scale` choose which, `negative` has one below zero."""

    def __init__(self, number: int, *, scale: Fraction = Fraction(1), negative: str = "") -> None:
        self._number, self._scale, self.negative = number, scale, negative

    def __getitem__(self, name: str) -> Fraction:
        seed = zlib.crc32(f"{self._number} {name}".encode())
        value = Fraction(101 + seed % 809, 103 + seed // 809 % 107) * self._scale
        return -value if name == self.negative else value


def points(names: list[str], gold: Formula, answer: Formula) -> Iterator[Point]:
    """Points that tell different expressions apart: positive ones, and one each with a negative coordinate."""
    yield Point(0)
    if not names:
        return
    yield Point(1)
    yield Point(2)
    for name in names[:MOST_NAMES]:
        yield Point(3, negative=name)
    if any(isinstance(part, Function) and part.name in _PIECEWISE for side in (gold, answer) for part in parts(side)):
        for seed, scale in ((4, 1000), (5, 100), (6, 30), (7, 1)):
            yield Point(seed, scale=Fraction(scale))
            yield Point(seed + 4, scale=Fraction(1, scale))
            for name in names[:MOST_NAMES]:
                yield Point(seed + 8, scale=Fraction(scale), negative=name)


def values(formulas: Sequence[Formula], point: Point, log: Log = "natural") -> Values:
    """The values of formulas at one point, all to as many digits as the neediest one takes.

    Raises `UnreadableError` where one is too large.
    """
    digits = DIGITS
    for _ in range(5):
        evaluations = [_Evaluation(point, digits, log) for _ in formulas]
        found = [evaluation.of(formula) for evaluation, formula in zip(evaluations, formulas, strict=True)]
        needed = max(evaluation.needed for evaluation in evaluations)
        if needed <= digits:
            return Values(found, digits)
        digits = needed
    raise UnreadableError("too close to call")


def same_value(one: Value, other: Value, digits: int = DIGITS) -> bool:
    """Whether two values at one point, known to so many digits, are equal."""
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one == other
    with mp.workdps(digits + GUARD):
        one, other = number(one), number(other)
        return bool(abs(one - other) <= mp.mpf(10) ** (GUARD - digits) * max(abs(one), abs(other)))


def number(found: Value) -> Any:
    """A value as a number of mpmath's."""
    return mp.mpf(found.numerator) / found.denominator if isinstance(found, Fraction) else found


def is_real(found: Value) -> bool:
    if isinstance(found, Fraction):
        return True
    return bool(abs(mp.im(found)) <= mp.mpf(10) ** (GUARD - DIGITS) * abs(found))


def _digits(found: Fraction) -> int:
    """How many decimal digits a fraction holds, above or below its line."""
    return 1 + max(found.numerator.bit_length(), found.denominator.bit_length()) * 3 // 10


class _Evaluation:
    """One evaluation, to `digits`; `needed` counts how many it would have taken."""

    def __init__(self, point: Point, digits: int, log: Log) -> None:
        self._point, self._digits, self._log = point, digits, log
        self.needed = DIGITS

    def of(self, formula: Formula) -> Value | None:
        with mp.workdps(self._digits + GUARD):
            try:
                return self._of(formula)
            except _UndefinedError:
                return None

    def _of(self, formula: Formula) -> Value:
        match formula:
            case Number(found):
                return found
            case Symbol(name):
                return self._point[name]
            case Constant(name):
                return _constant(name)
            case Sum(terms):
                return self._sum([self._of(term) for term in terms])
            case Product(factors):
                return self._product([self._of(factor) for factor in factors])
            case Power(base, exponent):
                raised = self._of(exponent)
                if base == Constant("e"):
                    return self._seen(self._exp(raised))
                return self._power(self._of(base), raised, real_roots=not symbols(exponent))
            case Function(name, arguments, known):
                at = [self._of(argument) for argument in arguments]
                return self._seen(self._function(name, at) if known else self._any_function(name, at))
            case _:
                raise UnreadableError(f"a {type(formula).__name__.lower()} in an expression")

    def _sum(self, terms: list[Value]) -> Value:
        exact = sum((term for term in terms if isinstance(term, Fraction)), Fraction(0))
        others = [term for term in terms if not isinstance(term, Fraction)]
        if not others:
            return self._seen(exact)
        total = mp.fsum([*others, self._inexact(exact)])
        largest = max(abs(term) for term in others)
        if abs(total) <= mp.mpf(10) ** -(self._digits - GUARD) * largest:
            return Fraction(0)
        return self._seen(total)

    def _product(self, factors: list[Value]) -> Value:
        exact = Fraction(1)
        others = mp.mpf(1)
        for factor in factors:
            if isinstance(factor, Fraction):
                exact *= factor
            else:
                others *= factor
        if not exact or all(isinstance(factor, Fraction) for factor in factors):
            return self._seen(exact)
        return self._seen(others * self._inexact(exact))

    def _power(self, base: Value, exponent: Value, *, real_roots: bool = False) -> Value:
        """real_roots: whether odd roots of negative numbers are real, as most people mean them."""
        if base == 0:
            if not isinstance(exponent, Fraction) or exponent <= 0:
                raise _UndefinedError("a power of zero")
            return Fraction(0)
        if isinstance(exponent, Fraction) and exponent.denominator == 1:
            power = exponent.numerator
            if isinstance(base, Fraction):
                bits = max(base.numerator.bit_length(), base.denominator.bit_length(), 1)
                if base not in (1, -1) and bits * abs(power) > MOST_BITS:
                    raise UnreadableError("too large a power")
                return self._seen(base**power)
            self._check_size(base, exponent)
            return self._seen(base**power)
        self._check_size(base, exponent)
        raised, root = self._inexact(exponent), self._inexact(base)
        odd = real_roots and isinstance(exponent, Fraction) and exponent.denominator % 2
        if odd and is_real(base) and mp.re(root) < 0:
            root = mp.re(root)
            return self._seen((-1) ** exponent.numerator * (-root) ** raised)
        return self._seen(mp.power(root, raised))

    def _exp(self, exponent: Value) -> Value:
        if abs(number(exponent)) > 3 * MOST_DIGITS:
            raise UnreadableError("too large a power")
        return mp.exp(self._inexact(exponent)) if exponent != 0 else Fraction(1)

    def _check_size(self, base: Value, exponent: Value) -> None:
        if abs(number(exponent) * mp.log(abs(number(base)))) > 3 * MOST_DIGITS:
            raise UnreadableError("too large a power")

    def _function(self, name: str, found: list[Value]) -> Value:
        first = found[0]
        if name in _PLAIN:
            argument = self._inexact(first)
            if name in ("tanh", "coth"):
                self._exp(argument)
                self._seen(self._exp(-argument))  # by which it is off one
            if name in ("ln", "log", "arctanh") and argument == 0:
                raise _UndefinedError("the logarithm of zero")
            try:
                result = _PLAIN[name](argument)
            except (ValueError, ZeroDivisionError):
                raise _UndefinedError(f"{name} has no value here") from None
            if name == "log" and self._log == "decimal":
                result /= mp.ln(10)
            if abs(result) <= mp.mpf(10) ** -(self._digits - GUARD) and abs(argument) > mp.mpf("1e-5"):
                return Fraction(0)
            if name not in ("ln", "log") and abs(result) >= mp.mpf(10) ** (self._digits - GUARD):
                raise _UndefinedError(f"{name} has a pole here")
            return result
        match name:
            case "abs":
                return abs(first)
            case "inverse":
                return self._power(first, Fraction(-1))
            case "factorial" | "gamma" | "factorial2" | "binom":
                return self._factorials(name, found)
            case "zeta" | "erf":
                if abs(number(first)) > 50 or first == 1:
                    raise UnreadableError(f"{name} of too large a number")
                self._seen(self._exp(-(number(first) ** 2)))
                return getattr(mp, name)(self._inexact(first))
            case "gcd" | "lcm":
                if all(isinstance(n, Fraction) and n.denominator == 1 for n in found):
                    return Fraction(getattr(math, name)(*(n.numerator for n in found)))
                return self._any_function(name, sorted(found, key=lambda n: str(self._rounded(n))))
        if not all(map(is_real, found)):
            raise _UndefinedError(f"{name} of what is not real")
        real = [n if isinstance(n, Fraction) else mp.re(n) for n in found]
        match name:
            case "max" | "min":
                return (max if name == "max" else min)(real, key=number)
            case "sgn":
                return Fraction((real[0] > 0) - (real[0] < 0))
            case "floor" | "ceil":
                nearest = Fraction(int(mp.nint(number(real[0]))))
                if same_value(nearest, real[0]):
                    return nearest
                return Fraction(int(getattr(mp, name)(number(real[0]))))
        raise UnreadableError(f"{name} is not known")

    def _factorials(self, name: str, found: list[Value]) -> Value:
        if any(abs(number(n)) > LARGEST_FACTORIAL for n in found):
            raise UnreadableError("too large a factorial")
        whole = [n.numerator for n in found if isinstance(n, Fraction) and n.denominator == 1]
        if len(whole) == len(found):
            if name == "binom" and whole[0] >= 0:
                return Fraction(math.comb(whole[0], whole[1]) if whole[1] >= 0 else 0)
            shifted = whole[0] - (name == "gamma")
            if name in ("factorial", "gamma"):
                if shifted < 0:
                    raise _UndefinedError("the factorial of a negative number")
                return Fraction(math.factorial(shifted))
        arguments = [self._inexact(n) for n in found]
        try:
            match name:
                case "binom":
                    return mp.binomial(*arguments)
                case "factorial2":
                    return mp.fac2(arguments[0])
                case _:
                    return mp.gamma(arguments[0] + (name == "factorial"))
        except ValueError:
            raise _UndefinedError(f"{name} has a pole here") from None

    def _any_function(self, name: str, found: list[Value]) -> Fraction:
        """A value that the name and the arguments decide, so that equal arguments have equal values."""
        seed = zlib.crc32(f"{name} {[self._rounded(argument) for argument in found]}".encode())
        return 1 + Fraction(seed, 2**32 - 5)

    def _rounded(self, found: Value) -> str:
        return str(mp.nstr(mp.chop(mp.mpc(self._inexact(found)), mp.mpf(10) ** -30), 25))

    def _inexact(self, found: Value) -> Any:
        if isinstance(found, Fraction):
            self._need(_digits(found))
        return number(found)

    def _seen(self, found: Value) -> Value:
        """Note how large or small a value is; one that is zero is so exactly."""
        if not isinstance(found, Fraction):
            if found == 0:
                return Fraction(0)
            self._need(abs(int(mp.mag(found))) * 3 // 10 + 1)
        return found

    def _need(self, size: int) -> None:
        if size > 5:
            self.needed = max(self.needed, DIGITS + 3 * size)
        if self.needed > MOST_DIGITS:
            raise UnreadableError("too many digits")


def _constant(name: str) -> Value:
    match name:
        case "pi":
            return +mp.pi
        case "e":
            return +mp.e
        case "i":
            return mp.mpc(0, 1)
        case "degree":
            return mp.pi / 180
        case "percent":
            return Fraction(1, 100)
    raise UnreadableError(f"a number made with {name}")


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "sin": mp.sin, "cos": mp.cos, "tan": mp.tan, "cot": mp.cot, "sec": mp.sec, "csc": mp.csc, "arcsin": mp.asin,
    "arccos": mp.acos, "arctan": mp.atan, "arccot": mp.acot, "arcsec": mp.asec, "arccsc": mp.acsc, "sinh": mp.sinh,
    "cosh": mp.cosh, "tanh": mp.tanh, "coth": mp.coth,
    "sech": mp.sech, "csch": mp.csch, "arsinh": mp.asinh, "arcosh": mp.acosh, "artanh": mp.atanh, "ln": mp.ln,
    "log": mp.ln,
}  # fmt: skip
