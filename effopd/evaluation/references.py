"""Whether a dataset's reference answers are graded rightly: right against themselves, wrong against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from effopd.datasets.rows import Example
from effopd.files import DataError
from effopd.tasks import code
from effopd.tasks.math import compare_plainly
from effopd.tasks.problems import UNGRADED, Problem
from effopd.tasks.verifiers import verify_all


@dataclass(frozen=True)
class Misgraded:
    """A completion that got the wrong verdict: the row whose problem it is held against, and the verdict's reason."""

    row: int
    completion: str
    reason: str


@dataclass(frozen=True)
class ReferenceCheck:
    """How many verdicts there were of each kind, and those that are wrong.

    boxed, said: a row's own answer in a box, and in a sentence. others: a box with an answer of another row, one that
    looks different; it may still have the same value, which the reason then tells.
    """

    graded: int
    boxed: list[Misgraded]
    said: list[Misgraded]
    others: list[Misgraded]


def check_references(examples: Sequence[Example]) -> ReferenceCheck:
    """Grade every reference answer. Raises `DataError` for programs, whose references are tests and no answers."""
    examples = [example for example in examples if example.task != UNGRADED]
    if not examples:
        raise DataError("it has no reference answers")
    if any(example.task == code.TASK for example in examples):
        raise DataError("its reference answers are tests of programs; there is nothing to hold against them")
    problems = [Problem(example.task, "", example.answer) for example in examples]
    others = [_another(row, examples) for row in range(len(examples))]
    paired = [row for row, other in enumerate(others) if other is not None]
    return ReferenceCheck(
        graded=len(examples),
        boxed=_graded(examples, problems, [f"Hence \\boxed{{{e.answer}}}." for e in examples], right=True),
        said=_graded(examples, problems, [_sentence(e) for e in examples], right=True),
        others=_graded(
            [examples[row] for row in paired],
            [problems[row] for row in paired],
            [f"Hence \\boxed{{{examples[other].answer}}}." for other in others if other is not None],
            right=False,
        ),
    )


def _sentence(example: Example) -> str:
    dollar = "$" if example.task.startswith("math") else ""
    return f"So the final answer is {dollar}{example.answer}{dollar}."


def _another(row: int, examples: Sequence[Example]) -> int | None:
    """The first row, from the middle of the rest on, whose answer looks different; None where there is none."""
    count = len(examples)
    for other in ((row + count // 2 + step) % count for step in range(count)):
        plain = compare_plainly(examples[row].answer, examples[other].answer, 0.0)
        if plain is None or plain.score == 0.0:
            return other
    return None


def _graded(
    examples: Sequence[Example], problems: Sequence[Problem], completions: Sequence[str], *, right: bool
) -> list[Misgraded]:
    verdicts = verify_all(problems, completions)
    return [
        Misgraded(example.row, completion, verdict.reason)
        for example, completion, verdict in zip(examples, completions, verdicts, strict=True)
        if (verdict.score == 1.0) != right
    ]
