"""The process that compares answers with math-verify: one JSON request a line on stdin, one reply a line on stdout.

It is killed by the kernel when one comparison takes more CPU time or memory than it may: that bounds what no exception
bounds, such as a power tower, and does not depend on how busy the machine is.
"""

from __future__ import annotations

import json
import logging
import math
import re
import resource
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from effopd.tasks import math_reader

CPU_SECONDS = 5
MEMORY = 4 << 30  # bytes of address space
APART = 1e-5  # relative; math-verify rounds to six digits
ZERO = 1e-90  # what sympy finds for an exact zero such as sin π lies below
ROUNDED_ZERO = 1e-10  # the same where decimals are added

_INTEGER = re.compile(r"-?\d{1,100}")
_EXPONENT = re.compile(r"(?<![A-Za-z\\])(\d+(?:\.\d*)?)[eE]([-+]?\d+)(?![\w.])")
_VARIABLE = re.compile(r"\d[a-z]$")  # the t of 2t, which would pass for tonnes and be dropped
_LETTER = re.compile("[A-Za-z]")
_ASSIGNED = re.compile(r"([A-Za-z])\s*=([^=,;]+)")
_GREEK = {"delta", "gamma", "lambda", "omega", "phi", "pi", "psi", "sigma", "theta", "xi"}
_REPEATING = re.compile(r"(?<![\d.])(\d*)\.(\d*)\\(?:overline|bar)\s*\{(\d+)\}")


def main() -> None:
    import math_verify  # noqa: F401 - seconds of imports happen here, before the first request is timed

    math_reader.install()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    sys.setrecursionlimit(2_000)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))
    reply = sys.stdout
    sys.stdout = sys.stderr
    print("ready", file=reply, flush=True)
    for line in sys.stdin:
        _limit_cpu()
        request = json.loads(line)
        try:
            right, reason = compare(request["gold"], request["answer"], request["tolerance"])
        except (Exception, RecursionError, MemoryError) as error:  # noqa: BLE001 - whatever a model wrote, it gets a verdict
            right, reason = False, f"cannot be compared ({type(error).__name__})"
        print(json.dumps({"right": right, "reason": reason}), file=reply, flush=True)


@lru_cache(maxsize=65_536)  # many samples of one problem come to the same answer
def compare(gold: str, answer: str, tolerance: float) -> tuple[bool, str]:
    """Whether math-verify finds two answers equal; numbers may differ by `tolerance`, relative to the gold answer."""
    assigned = [_ASSIGNED.fullmatch(text) for text in (gold, answer)]
    if assigned[0] and assigned[1] and assigned[0][1].casefold() == assigned[1][1].casefold():
        gold, answer = assigned[0][2], assigned[1][2]  # a name may be written N or n
    gold_parsed = _parse(gold)
    if not gold_parsed:
        return False, "the reference answer is not mathematics"
    parsed = _parse(answer)
    if not parsed:
        return False, "not mathematics"
    if _equal(gold_parsed, parsed):
        return True, "equivalent"
    if any(_same_reading(read, gold, answer) for read in (_natural_logarithms, _imaginary_unit)):
        return True, "equivalent"
    if tolerance and _close(gold_parsed[0], parsed[0], tolerance):
        return True, "close"
    return False, "not equivalent"


def _equal(gold: list[Any], answer: list[Any]) -> bool:
    from math_verify import verify

    if _apart(gold[0], answer[0]):
        return False
    return bool(verify(gold, answer, allow_set_relation_comp=True, timeout_seconds=None))


def _apart(gold: Any, answer: Any) -> bool:
    """Whether two answers have different values at one point, which spares simplifying their difference.

    Lists and matrices are apart where a part is apart from the one in its place, sets where it is from every one.
    """
    import sympy

    gold, answer = _values(gold, answer)
    pair = (gold, answer)
    if all(isinstance(value, sympy.Symbol) for value in pair):
        same = gold.name.casefold() == answer.name.casefold()  # which is enough for words, says math-verify
        return same and gold.name != answer.name and (not gold.name.isalpha() or gold.name.casefold() in _GREEK)
    if all(isinstance(value, sympy.Tuple | sympy.MatrixBase) for value in pair):
        return len(gold) == len(answer) and any(map(_apart, gold, answer))
    if all(isinstance(value, sympy.FiniteSet) for value in pair):
        return any(all(_apart(part, other) for other in answer) for part in set(gold.args) - set(answer.args))
    if all(isinstance(value, sympy.Interval) for value in pair):
        return _apart(gold.start, answer.start) or _apart(gold.end, answer.end)
    return _numbers_apart(gold, answer)


def _values(gold: Any, answer: Any) -> tuple[Any, Any]:
    """What is assigned, where one answer is an assignment, or both are to one variable."""
    from math_verify.grader import is_assignment_relation, unwrap_eq

    assigned = [value.lhs for value in (gold, answer) if is_assignment_relation(value) and hasattr(value, "lhs")]
    if len(assigned) == 1 or (len(assigned) == 2 and assigned[0] == assigned[1]):
        return unwrap_eq(gold), unwrap_eq(answer)
    return gold, answer


def _numbers_apart(gold: Any, answer: Any) -> bool:
    """Whether two expressions are more than rounding apart where each symbol has a value.

    The point is positive and of no special form, so expressions that are equal under any assumption on their symbols
    agree there. False where there is no value: relations, text, functions that are not known.
    """
    from sympy import Add, Derivative, Expr, Float, Integral, Limit, Product, Rational, Sum, UnevaluatedExpr

    pair = (gold, answer)
    if not all(isinstance(value, Expr) and not value.is_Symbol for value in pair):
        return False
    if any(value.has(Derivative, Integral, Limit, Product, Sum, UnevaluatedExpr) for value in pair):
        return False  # slow or imprecise as numbers; and a percent sign, which math-verify lets pass
    names = sorted({symbol.name for value in pair for symbol in value.free_symbols})
    point = {name: Rational(200_003 + 618_034 * (place + 1) % 1_000_000, 1_000_003) for place, name in enumerate(names)}
    try:
        expected, found = (complex(v.evalf(subs={s: point[s.name] for s in v.free_symbols})) for v in pair)
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        return False
    rounded = any(value.has(Float) and value.has(Add) for value in pair)
    distance, scale = abs(expected - found), max(abs(expected), abs(found))
    return math.isfinite(distance) and distance > max(APART * scale, ROUNDED_ZERO if rounded else ZERO)


@lru_cache(maxsize=4096)
def _parse(answer: str) -> list[Any]:
    if _INTEGER.fullmatch(answer):
        from sympy import Integer

        return [Integer(answer), answer]
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    text = _EXPONENT.sub(r"\1 \\times 10^{\2}", answer)
    text = _REPEATING.sub(_as_fraction, text)
    latex = LatexExtractionConfig(boxed_match_priority=0)
    if _VARIABLE.search(text):
        latex = replace(latex, normalization_config=replace(latex.normalization_config, units=False))
    found = parse(f"\\boxed{{{text}}}", [latex], parsing_timeout=None)  # its alarm works in a main thread alone
    if any(not isinstance(value, str) for value in found) or _LETTER.search(text):
        return found  # from a formula that it cannot read, the next parser would take any number
    return parse(text, [ExprExtractionConfig()], parsing_timeout=None) or found


def _same_reading(read: Callable[[str], list[Any]], gold: str, answer: str) -> bool:
    """Whether the answers agree in another reading of an ambiguous sign; an empty reading says there is none."""
    parsed, gold_parsed = read(answer), read(gold)
    if not parsed and not gold_parsed:
        return False
    return _equal(gold_parsed or _parse(gold), parsed or _parse(answer))


def _natural_logarithms(answer: str) -> list[Any]:
    r"""``\log`` as mathematicians mean it; math-verify takes it to base 10."""
    return _parse(answer.replace("\\log", "\\ln")) if re.search(r"\\log(?!\s*_|[a-zA-Z])", answer) else []


def _imaginary_unit(answer: str) -> list[Any]:
    """`i` as the imaginary unit where it stands for a variable."""
    import sympy

    found = _parse(answer)
    if not found or not isinstance(found[0], sympy.Expr):
        return []
    units = [symbol for symbol in found[0].free_symbols if symbol.name == "i"]
    return [sympy.expand(found[0].subs(dict.fromkeys(units, sympy.I)))] if units else []


def _close(gold: Any, answer: Any, tolerance: float) -> bool:
    try:
        expected, found = (complex(value.evalf()) for value in (gold, answer))
    except (AttributeError, TypeError, ValueError):
        return False
    return abs(expected - found) <= tolerance * abs(expected)


def _as_fraction(match: re.Match[str]) -> str:
    """``0.1\\overline{6}`` as a fraction."""
    whole, fixed, repeated = match.groups()
    denominator = 10 ** len(fixed) * (10 ** len(repeated) - 1)
    numerator = int(f"{whole or 0}{fixed}{repeated}") - int(f"{whole or 0}{fixed}")
    return f"\\frac{{{numerator}}}{{{denominator}}}"


def _limit_cpu() -> None:
    """From now on, this many seconds of CPU time until the kernel ends the process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime) + CPU_SECONDS, hard))


if __name__ == "__main__":
    main()
