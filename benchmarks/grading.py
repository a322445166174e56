"""How many answers are graded a second: `python benchmarks/grading.py`, on a machine that does nothing else.

`python benchmarks/grading.py math500 data/sources/math500.jsonl` also holds each reference answer of a dataset against
another row's.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from effopd.datasets.load import load_rows
from effopd.datasets.rows import read_examples
from effopd.datasets.spec import read_spec, spec_file
from effopd.files import DataError
from effopd.tasks.code import CodeTests
from effopd.tasks.math import compare_plainly
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import verify_all

WORKERS = os.cpu_count() or 1


def rate(problems: list[Problem], completions: list[str]) -> tuple[float, int]:
    """Verdicts a second, and how many were right; workers are started before the clock."""
    verify_all(problems[:WORKERS], completions[:WORKERS], workers=WORKERS)
    began = time.perf_counter()
    verdicts = verify_all(problems, completions, workers=WORKERS)
    return len(verdicts) / (time.perf_counter() - began), sum(verdict.score == 1.0 for verdict in verdicts)


def report(what: str, problems: list[Problem], completions: list[str]) -> None:
    per_second, right = rate(problems, completions)
    print(f"{what}: {per_second:.0f}/s ({right} of {len(problems)} right)")


def against_others(name: str, file: Path) -> tuple[list[Problem], list[str]]:
    """Each reference answer of a dataset, and the boxed answer of the row in the middle of the rest."""
    spec = read_spec(spec_file(name))
    examples, _ = read_examples(spec, load_rows(spec, file), seed=0)
    answers = [example.answer for example in examples]
    half = len(answers) // 2
    boxed = [f"\\boxed{{{answer}}}" for answer in answers[half:] + answers[:half]]
    return [Problem(spec.verifier, "", answer) for answer in answers], boxed


def main() -> None:
    others = against_others(sys.argv[1], Path(sys.argv[2])) if len(sys.argv) == 3 else None
    print(f"load before: {os.getloadavg()[0]:.1f} on {WORKERS} cores")
    add = Problem("code", "", CodeTests(inputs=["1 2\n"], outputs=["3\n"]).to_json())
    program = "```python\nprint(sum(map(int, input().split())))\n```"
    report("sandboxed Python programs", [add] * 300, [program] * 300)
    roots = [Problem("math", "", f"\\frac{{{n}\\sqrt{{2}}}}{{{n + 1}}}") for n in range(2, 1002)]
    same = [f"\\boxed{{\\frac{{{2 * n}\\sqrt2}}{{{2 * n + 2}}}}}" for n in range(2, 1002)]
    other = [f"\\boxed{{\\frac{{{n}}}{{{n + 2}\\sqrt{{2}}}}}}" for n in range(2, 1002)]
    report("equal pairs that math-verify compares", roots, same)
    report("unequal pairs that math-verify compares", roots, other)
    if others:
        problems, completions = others
        pairs = zip(problems, completions, strict=True)
        left = sum(compare_plainly(p.answer, c[len("\\boxed{") : -1], 0.0) is None for p, c in pairs)
        report(f"{sys.argv[1]}, another row's answers, {left} of them for math-verify", problems, completions)


if __name__ == "__main__":
    try:
        main()
    except DataError as error:
        sys.exit(f"grading.py: {error}")
