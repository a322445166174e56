"""Chains of + − × over single digits, modulo 10: a world small enough for a CPU in which there is something to distil.

A prompt is a chain such as ``3+8-4?``, worked from left to right; a completion works it step by step and ends with the
answer, ``3+8=1;1-4=7;#7``. The base imitates a mixture in which most completions guess or err, so that it *can* reason
but usually does not: reinforcement learning and distillation have a latent ability to sharpen, as with real bases.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from effopd.params.data import DataParams, DemonstrationParams
from effopd.seeding import generator
from effopd.tasks.problems import Demonstration, Problem

TASK = "arithmetic"
ALPHABET = "0123456789+-*?=;#"


def solve(prompt: str) -> str:
    """The last digit of the chain, worked from left to right without precedence."""
    return _work(prompt, lambda digit: digit)[1]


def verify(problem: Problem, completion: str) -> float:
    """1.0 when the text behind the first ``#`` is exactly the answer, else 0.0. Never raises."""
    _, marker, answer = completion.partition("#")
    return float(bool(marker) and answer == problem.answer)


def sample_prompts(rng: np.random.Generator, count: int, operations: int, exclude: set[str]) -> list[str]:
    """`count` distinct prompts with `operations` operations each, none of them in `exclude`."""
    if 10 ** (operations + 1) * 3**operations < 2 * (count + len(exclude)):
        raise ValueError(f"there are too few chains of {operations} operations to draw {count} distinct prompts from")
    prompts: dict[str, None] = {}
    while len(prompts) < count:
        prompt = _random_prompt(rng, operations)
        if prompt not in exclude:
            prompts[prompt] = None
    return list(prompts)


def sample_problems(rng: np.random.Generator, count: int, operations: int, exclude: set[str]) -> list[Problem]:
    return [Problem(TASK, prompt, solve(prompt)) for prompt in sample_prompts(rng, count, operations, exclude)]


def sample_splits(seed: int, params: DataParams) -> dict[str, list[Problem]]:
    """Disjoint splits; validation, EffOPD's D_v, is drawn like the training set and held out of it.

    Each has random numbers of its own, so that another size of one leaves the others as they are, but for a prompt that
    both would draw, which the first in this order keeps.
    """
    sizes = {"test": params.test, "dev": params.dev, "validation": params.validation, "train": params.train}
    splits: dict[str, list[Problem]] = {}
    for name, size in sizes.items():
        taken = {problem.prompt for problems in splits.values() for problem in problems}
        splits[name] = sample_problems(generator(seed, "problems", name), size, params.operations, taken)
    return splits


def sample_demonstrations(
    rng: np.random.Generator, params: DemonstrationParams, exclude: set[str]
) -> list[Demonstration]:
    """The mixture that the base imitates: correct chains, bare guesses, and chains whose steps sometimes err."""
    demonstrations: list[Demonstration] = []
    while len(demonstrations) < params.examples:
        prompt = _random_prompt(rng, int(rng.integers(params.min_operations, params.max_operations + 1)))
        if prompt in exclude:
            continue
        kind = rng.random()
        if kind < params.correct:
            completion = _chain(prompt, rng, step_error=0.0)
        elif kind < params.correct + params.guess:
            right = rng.random() < params.guess_accuracy
            completion = "#" + (solve(prompt) if right else _other_digit(rng, solve(prompt)))
        else:
            completion = _chain(prompt, rng, step_error=params.step_error)
        demonstrations.append(Demonstration(prompt, completion))
    return demonstrations


def _random_prompt(rng: np.random.Generator, operations: int) -> str:
    digits = rng.integers(0, 10, operations + 1)
    operators = rng.integers(0, 3, operations)
    return str(digits[0]) + "".join(f"{'+-*'[o]}{d}" for o, d in zip(operators, digits[1:], strict=True)) + "?"


def _chain(prompt: str, rng: np.random.Generator, step_error: float) -> str:
    steps, answer = _work(prompt, lambda digit: _other_digit(rng, digit) if rng.random() < step_error else digit)
    return "".join(f"{step};" for step in steps) + "#" + answer


def _work(prompt: str, record: Callable[[str], str]) -> tuple[list[str], str]:
    """Work a chain; `record` may change the digit that a step writes down, and the next step goes on from that."""
    value, steps = prompt[0], []
    for operator, digit in zip(prompt[1:-1:2], prompt[2:-1:2], strict=True):
        left, right = int(value), int(digit)
        result = {"+": left + right, "-": left - right, "*": left * right}[operator] % 10
        written = record(str(result))
        steps.append(f"{value}{operator}{digit}={written}")
        value = written
    return steps, value


def _other_digit(rng: np.random.Generator, digit: str) -> str:
    return str((int(digit) + int(rng.integers(1, 10))) % 10)
