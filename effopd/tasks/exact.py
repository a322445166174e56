"""Exact match: the answer as it stands, but for white space, case, quotation marks and a full stop."""

from __future__ import annotations

from effopd.tasks.extraction import TEXT_COMMAND, after_thinking, announced, last_boxed, last_line
from effopd.tasks.problems import Problem
from effopd.tasks.verdict import Verdict, right, shortened, wrong

TASK = "exact"


def verify(problem: Problem, completion: str) -> Verdict:
    """1 where the boxed, announced or last line of a completion, or all of it, is the answer; never raises."""
    text = after_thinking(completion)
    expected = _plain(problem.answer)
    found = last_boxed(text) or announced(text) or last_line(text)
    if expected in (_plain(found or ""), _plain(text)):
        return right("same text")
    return wrong(f"{shortened(found or '')!r} is not {shortened(problem.answer)!r}")


def _plain(text: str) -> str:
    text = " ".join(TEXT_COMMAND.sub(r"\1", text).split()).removesuffix(".").casefold()
    quoted = len(text) > 2 and text[0] in "\"'“‘`" and text[-1] in "\"'”’`"
    return text[1:-1].removesuffix(".") if quoted else text
