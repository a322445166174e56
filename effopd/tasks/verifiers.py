"""Grading: from a problem and a completion to a verdict. Whatever a model wrote, a score and a reason come out."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from effopd.files import DataError
from effopd.tasks import arithmetic, choice, code, exact, math
from effopd.tasks.problems import UNGRADED, Problem
from effopd.tasks.verdict import Verdict, not_judged, shortened


def check_gradable(problems: Sequence[Problem]) -> None:
    """To be called before sampling. Raises `DataError` for problems without answers, and `SandboxError` when programs
    are asked for and there is no sandbox here."""
    if ungraded := [problem for problem in problems if problem.task == UNGRADED]:
        raise DataError(
            f"{len(ungraded)} of {len(problems)} problems have no answer to grade completions with, the first "
            f"{shortened(ungraded[0].prompt)!r}: opd needs none, but rl, evaluation and effopd.score: accuracy do; "
            "give the rows of the dataset an answer and a task, or leave these out"
        )
    if any(problem.task == code.TASK for problem in problems):
        code.check_runnable()


def score_all(problems: Sequence[Problem], completions: Sequence[str]) -> list[float]:
    """The score in [0, 1] of a completion of each problem. Raises as `verify_all` does."""
    return [verdict.score for verdict in verify_all(problems, completions)]


def verify_all(
    problems: Sequence[Problem],
    completions: Sequence[str],
    *,
    workers: int = os.cpu_count() or 1,
    allow_unsandboxed: bool = False,
) -> list[Verdict]:
    """The verdict on a completion of each problem, graded in parallel where it is worth it.

    Raises `DataError` for a task that has no verifier, and `SandboxError` for programs where there is no sandbox,
    unless `allow_unsandboxed`.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, problem in enumerate(problems):
        rows[problem.task].append(row)
    verdicts: dict[int, Verdict] = {}
    for task, indices in rows.items():
        chosen, texts = [problems[i] for i in indices], [completions[i] for i in indices]
        if task == code.TASK:
            found = code.verify_all(chosen, texts, workers=workers, allow_unsandboxed=allow_unsandboxed)
        else:
            found = _verify_task(task, chosen, texts, workers)
        verdicts.update(zip(indices, found, strict=True))
    return [verdicts[row] for row in range(len(problems))]


def _verify_task(task: str, problems: Sequence[Problem], completions: Sequence[str], workers: int) -> list[Verdict]:
    match task:
        case arithmetic.TASK:
            return [Verdict(arithmetic.verify(p, text), "") for p, text in zip(problems, completions, strict=True)]
        case exact.TASK:
            return [exact.verify(p, text) for p, text in zip(problems, completions, strict=True)]
        case choice.TASK:
            return [choice.verify(p, text) for p, text in zip(problems, completions, strict=True)]
        case math.TASK | math.APPROXIMATE_TASK:
            if len(problems) == 1:
                return [math.verify(problems[0], completions[0])]
            return list(_math_threads(workers).map(math.verify, problems, completions))
        case _ if task == UNGRADED:
            return [not_judged("the problem has no answer")] * len(problems)
        case _:
            raise DataError(f"no verifier for the task {task!r} of the prompt {problems[0].prompt[:60]!r}")


def _math_threads(workers: int) -> ThreadPoolExecutor:
    """Threads that live as long as this process, since each keeps a process that compares answers."""
    if workers not in _pools:
        _pools[workers] = ThreadPoolExecutor(workers, thread_name_prefix="math")
    return _pools[workers]


_pools: dict[int, ThreadPoolExecutor] = {}
