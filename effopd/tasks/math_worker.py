"""The process that compares answers with math-verify: one JSON request a line on stdin, one reply a line on stdout.

It is killed by the kernel when one comparison takes more CPU time or memory than it may: that bounds what no exception
bounds, such as a power tower, and does not depend on how busy the machine is.
"""

from __future__ import annotations

import json
import logging
import re
import resource
import sys
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

CPU_SECONDS = 5
MEMORY = 4 << 30  # bytes of address space

_EXPONENT = re.compile(r"(?<![A-Za-z\\])(\d+(?:\.\d*)?)[eE]([-+]?\d+)(?![\w.])")
_REPEATING = re.compile(r"(?<![\d.])(\d*)\.(\d*)\\(?:overline|bar)\s*\{(\d+)\}")


def main() -> None:
    from math_verify import parse  # noqa: F401 - seconds of imports happen here, before the first request is timed

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


def compare(gold: str, answer: str, tolerance: float) -> tuple[bool, str]:
    """Whether math-verify finds two answers equal; numbers may differ by `tolerance`, relative to the gold answer."""
    from math_verify import verify

    gold_parsed = _parse(gold)
    if not gold_parsed:
        return False, "the reference answer is not mathematics"
    parsed = _parse(answer)
    if not parsed:
        return False, "not mathematics"
    if verify(gold_parsed, parsed, allow_set_relation_comp=True, timeout_seconds=None):
        return True, "equivalent"
    if any(_same_reading(read, gold, answer) for read in (_natural_logarithms, _imaginary_unit)):
        return True, "equivalent"
    if tolerance and _close(gold_parsed[0], parsed[0], tolerance):
        return True, "close"
    return False, "not equivalent"


@lru_cache(maxsize=4096)
def _parse(answer: str) -> list[Any]:
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    text = _EXPONENT.sub(r"\1 \\times 10^{\2}", answer)
    text = _REPEATING.sub(_as_fraction, text)
    found = parse(
        f"\\boxed{{{text}}}",
        extraction_config=[LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()],
        parsing_timeout=None,  # its alarm works in a main thread alone
    )
    return found or parse(text, parsing_timeout=None)


def _same_reading(read: Callable[[str], list[Any]], gold: str, answer: str) -> bool:
    """Whether the answers agree in another reading of an ambiguous sign; an empty reading says there is none."""
    from math_verify import verify

    parsed, gold_parsed = read(answer), read(gold)
    if not parsed and not gold_parsed:
        return False
    return bool(verify(gold_parsed or _parse(gold), parsed or _parse(answer), timeout_seconds=None))


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
