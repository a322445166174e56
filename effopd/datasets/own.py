"""The user's own data: files with the columns of docs/data.md, checked row by row."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

from effopd.datasets.load import Row, read_local
from effopd.datasets.rows import Example
from effopd.datasets.spec import Verifier
from effopd.files import DataError
from effopd.json_text import from_json
from effopd.tasks.choice import LETTERS
from effopd.tasks.code import CodeTests
from effopd.tasks.problems import UNGRADED

COLUMNS = ("prompt", "messages", "answer", "task", "teacher", "teacher_prompt", "id")
SHOWN = 5  # rows named in an error


def read_own(path: Path) -> list[Example]:
    """All rows of a file. Raises `DataError` naming the first rows at fault, since silence about one's own data helps
    nobody."""
    examples: list[Example] = []
    wrong: list[str] = []
    for number, row in read_local(path):
        try:
            if isinstance(row, DataError):
                raise row
            examples.append(_read(number, row))
        except DataError as error:
            wrong.append(f"row {number}: {error}")
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise DataError(f"{path}: {'; '.join(wrong[:SHOWN])}{more}")
    if not examples:
        raise DataError(f"{path}: no rows")
    return examples


def _read(number: int, row: Row) -> Example:
    unknown = [name for name in row if name not in COLUMNS]
    if unknown:
        raise DataError(f"unknown column {unknown[0]!r}; known: {', '.join(COLUMNS)}")
    task, answer = _task(row)
    teacher = row.get("teacher") or ""
    if not isinstance(teacher, str):
        raise DataError(f"'teacher' is {teacher!r}, expected a name of teacher.named")
    asked = "" if row.get("teacher_prompt") is None else row["teacher_prompt"]
    if not isinstance(asked, str) or (asked and not asked.strip()):
        raise DataError("'teacher_prompt' is not a text, or blank")
    prompt, messages = row.get("prompt"), row.get("messages")
    if (prompt is None) == (messages is None):
        raise DataError("expected either 'prompt' or 'messages'")
    if prompt is not None:
        if not isinstance(prompt, str) or not prompt.strip():
            raise DataError("'prompt' is not a text, or empty")
        return Example(number, prompt, task, answer, teacher=teacher, teacher_question=asked)
    turns = _messages(messages)
    return Example(number, turns[-1][1], task, answer, messages=turns, teacher=teacher, teacher_question=asked)


def _task(row: Row) -> tuple[str, str]:
    """Task and answer of a row; one without both has nothing to be graded with."""
    task, answer = row.get("task"), row.get("answer")
    if task in (None, "") and answer in (None, ""):
        return UNGRADED, ""
    if task not in get_args(Verifier):
        raise DataError(f"'task' is {str(task)!r}, expected one of {', '.join(get_args(Verifier))}")
    return str(task), _answer(str(task), answer)


def _answer(task: str, answer: Any) -> str:
    if task == "code":
        try:
            value = from_json(answer) if isinstance(answer, str) else answer
            return CodeTests(**{name: part for name, part in value.items() if part is not None}).to_json()
        except (AttributeError, RecursionError, TypeError, ValueError) as error:
            raise DataError(f"'answer' is not a set of tests ({error})") from None
    if isinstance(answer, bool) or not isinstance(answer, (str, int, float)) or not str(answer).strip():
        raise DataError("'answer' is missing, empty or not a text")
    if isinstance(answer, float) and not math.isfinite(answer):
        raise DataError(f"'answer' is {answer}, which is no number")
    text = str(answer).strip()
    if task == "choice" and (len(text) != 1 or text.upper() not in LETTERS):
        raise DataError(f"'answer' is {text!r}, expected one letter from {LETTERS[0]} to {LETTERS[-1]}")
    return text


def _messages(messages: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(messages, str):  # in a cell of a CSV file
        try:
            messages = from_json(messages)
        except (ValueError, RecursionError) as error:
            raise DataError(f"'messages' is no list of turns in JSON ({error})") from None
    if not isinstance(messages, list) or not messages:
        raise DataError("'messages' is not a list of turns")
    turns = []
    for turn in messages:
        if not isinstance(turn, dict) or not isinstance(turn.get("content"), str):
            raise DataError("a turn of 'messages' has no text 'content'")
        if turn.get("role") not in ("system", "user", "assistant"):
            raise DataError(
                f"a turn of 'messages' has the role {turn.get('role')!r}, expected system, user or assistant"
            )
        if turn["role"] == "user" and not turn["content"].strip():
            raise DataError("a turn of the user in 'messages' is empty")
        turns.append((turn["role"], turn["content"]))
    if turns[-1][0] != "user":
        raise DataError("the last turn of 'messages' is not the user's")
    return tuple(turns)
