"""How many answers are graded a second: `python benchmarks/grading.py`, on a machine that does nothing else."""

from __future__ import annotations

import os
import time

from effopd.tasks.code import CodeTests
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import verify_all

WORKERS = os.cpu_count() or 1


def rate(problem: list[Problem], completions: list[str]) -> tuple[float, int]:
    """Verdicts a second, and how many were right; workers are started before the clock."""
    verify_all(problem[:WORKERS], completions[:WORKERS], workers=WORKERS)
    began = time.perf_counter()
    verdicts = verify_all(problem, completions, workers=WORKERS)
    return len(verdicts) / (time.perf_counter() - began), sum(verdict.score == 1.0 for verdict in verdicts)


def main() -> None:
    add = Problem("code", "", CodeTests(inputs=["1 2\n"], outputs=["3\n"]).to_json())
    programs = ["```python\nprint(sum(map(int, input().split())))\n```"] * 300
    fractions = [Problem("math", "", f"\\frac{{{n}}}{{{n + 1}}}") for n in range(2, 1002)]
    same = [f"\\boxed{{\\frac{{{2 * n}}}{{{2 * n + 2}}}}}" for n in range(2, 1002)]
    print(f"load before: {os.getloadavg()[0]:.1f} on {WORKERS} cores")
    for name, problems, completions in (
        ("sandboxed Python programs", [add] * len(programs), programs),
        ("pairs that math-verify compares", fractions, same),
    ):
        per_second, right = rate(problems, completions)
        print(f"{name}: {per_second:.0f}/s ({right} of {len(problems)} right)")


if __name__ == "__main__":
    main()
