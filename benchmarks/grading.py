"""How many answers are graded a second: `python benchmarks/grading.py`, on a machine that does nothing else.

`python benchmarks/grading.py math500 data/sources/math500.jsonl` also holds each reference answer of a dataset against
another row's. With `--against FOLDER` at the end, another checkout of this project grades the same mathematics in turns
with this one, and processor seconds are compared, which hold on a busy machine too.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.processor import processor_seconds
from effopd.datasets.load import load_rows
from effopd.datasets.rows import read_examples
from effopd.datasets.spec import read_spec, spec_file
from effopd.files import DataError
from effopd.tasks.code import CodeTests
from effopd.tasks.math import compare_plainly
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import verify_all

WORKERS = os.cpu_count() or 1
TURNS = 3
ROOT = Path(__file__).parents[1]
Pairs = tuple[list[Problem], list[str]]


def rate(problems: list[Problem], completions: list[str]) -> tuple[float, int]:
    """Verdicts a second, and how many were right; workers are started before the clock."""
    verify_all(problems[:WORKERS], completions[:WORKERS], workers=WORKERS)
    began = time.perf_counter()
    verdicts = verify_all(problems, completions, workers=WORKERS)
    return len(verdicts) / (time.perf_counter() - began), sum(verdict.score == 1.0 for verdict in verdicts)


def report(what: str, problems: list[Problem], completions: list[str]) -> None:
    per_second, right = rate(problems, completions)
    print(f"{what}: {per_second:.0f}/s ({right} of {len(problems)} right)")


def one_turn(sets: dict[str, Pairs]) -> None:
    """What each set costs here, as JSON, for `in_turns`."""
    costs = {}
    for name, (problems, completions) in sets.items():
        verify_all(problems[:1], completions[:1], workers=1)
        before = processor_seconds()
        verdicts = verify_all(problems, completions, workers=1)
        costs[name] = len(verdicts) / (processor_seconds() - before)
    print(json.dumps(costs))


def in_turns(other: Path, arguments: list[str]) -> None:
    """Verdicts a processor second of that checkout and of this one, the middle of some turns."""
    rates: dict[str, dict[Path, list[float]]] = {}
    for _ in range(TURNS):
        for tree in (other, ROOT):
            command = [sys.executable, __file__, *arguments, "--turn"]
            environment = os.environ | {"PYTHONPATH": str(tree)}
            ended = subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True, text=True)
            for name, per_second in json.loads(ended.stdout).items():
                rates.setdefault(name, {}).setdefault(tree, []).append(per_second)
    for name, found in rates.items():
        here, there = (statistics.median(found[tree]) for tree in (ROOT, other))
        print(f"{name}: {here:.0f} a processor second, {there:.0f} there: {here / there:.1f} times as many")


def against_others(name: str, file: Path) -> Pairs:
    """Each reference answer of a dataset, and the boxed answer of the row in the middle of the rest."""
    spec = read_spec(spec_file(name))
    examples, _ = read_examples(spec, load_rows(spec, file), seed=0)
    answers = [example.answer for example in examples]
    half = len(answers) // 2
    boxed = [f"\\boxed{{{answer}}}" for answer in answers[half:] + answers[:half]]
    return [Problem(spec.verifier, "", answer) for answer in answers], boxed


def mathematics(arguments: list[str]) -> dict[str, Pairs]:
    roots = [Problem("math", "", f"\\frac{{{n}\\sqrt{{2}}}}{{{n + 1}}}") for n in range(2, 1002)]
    same = [f"\\boxed{{\\frac{{{2 * n}\\sqrt2}}{{{2 * n + 2}}}}}" for n in range(2, 1002)]
    other = [f"\\boxed{{\\frac{{{n}}}{{{n + 2}\\sqrt{{2}}}}}}" for n in range(2, 1002)]
    sets = {"equal pairs that are compared by value": (roots, same), "unequal ones": (roots, other)}
    if arguments:
        sets[f"{arguments[0]}, another row's answers"] = against_others(arguments[0], Path(arguments[1]))
    return sets


def main() -> None:
    arguments = [str(Path(word).resolve()) if Path(word).exists() else word for word in sys.argv[1:]]
    if "--against" in arguments:
        place = arguments.index("--against")
        in_turns(Path(arguments[place + 1]), arguments[:place])
        return
    if arguments[-1:] == ["--turn"]:
        one_turn(mathematics(arguments[:-1]))
        return
    sets = mathematics(arguments)
    print(f"load before: {os.getloadavg()[0]:.1f} on {WORKERS} cores")
    add = Problem("code", "", CodeTests(inputs=["1 2\n"], outputs=["3\n"]).to_json())
    program = "```python\nprint(sum(map(int, input().split())))\n```"
    report("sandboxed Python programs", [add] * 300, [program] * 300)
    for name, (problems, completions) in sets.items():
        pairs = zip(problems, completions, strict=True)
        left = sum(compare_plainly(p.answer, c[len("\\boxed{") : -1], 0.0) is None for p, c in pairs)
        report(f"{name}, {left} of them by value", problems, completions)


if __name__ == "__main__":
    try:
        main()
    except DataError as error:
        sys.exit(f"grading.py: {error}")
