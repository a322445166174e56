"""Mathematical verdicts: ours, and math-verify as its users call it. No pair comes twice, so nothing is remembered."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench.party import Options, Turns
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import score_all

Pair = tuple[str, str]


def ours(options: Options, turns: Turns) -> None:
    for pairs in batches(options):
        turns.next()
        scores = score_all([Problem("math", "", gold) for gold, _ in pairs], [answer for _, answer in pairs])
        count(turns, int(sum(scores)), len(pairs))


def theirs(options: Options, turns: Turns) -> None:
    from math_verify import parse, verify

    for pairs in batches(options):
        turns.next()
        right = sum(verify(parse(f"${gold}$"), parse(answer)) for gold, answer in pairs)
        count(turns, right, len(pairs))


def batches(options: Options) -> Iterator[list[Pair]]:
    """Half of each equal in value and not as text, half unequal."""
    size, first = 4 if options.quick else 100, 2
    while True:
        numbers = range(first, first + size)
        yield [
            pair
            for n in numbers
            for pair in (
                (f"\\frac{{{n}\\sqrt{{2}}}}{{{n + 1}}}", f"\\boxed{{\\frac{{{2 * n}\\sqrt2}}{{{2 * n + 2}}}}}"),
                (f"\\frac{{{n}\\sqrt{{2}}}}{{{n + 1}}}", f"\\boxed{{\\frac{{{n}}}{{{n + 2}\\sqrt{{2}}}}}}"),
            )
        ]
        first += size


def count(turns: Turns, right: int, pairs: int) -> None:
    """That half of the verdicts are right is what both sides must find."""
    turns.count(right=right, pairs=pairs)
    turns.about["result"] = turns.about["right"] / turns.about["pairs"]
