"""Grading: from a problem and a completion to a score."""

from __future__ import annotations

from effopd.files import DataError
from effopd.tasks import arithmetic
from effopd.tasks.problems import Problem


def score(problem: Problem, completion: str) -> float:
    """The score in [0, 1] of a completion. Raises `DataError` for a task that has no verifier."""
    match problem.task:
        case arithmetic.TASK:
            return arithmetic.verify(problem, completion)
        case _:
            raise DataError(f"no verifier for the task {problem.task!r} of the prompt {problem.prompt[:60]!r}")
