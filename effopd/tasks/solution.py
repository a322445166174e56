"""The program in a completion: the last fenced block in a known language, however the fences are set."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import Literal

Language = Literal["python", "c++"]

LONGEST_PROGRAM = 200_000  # characters
_LONGEST_PROSE = 60  # lines behind a program whose fence is never closed

_OPENING = re.compile(
    r"^((?:[ \t]*(?:[-*+>]|\d{1,3}[.)])(?=[ \t]))?[ \t]*)(?:[^`~\n]*:[ \t]*)?(```+|~~~+)[ \t]*([\w+#.-]*)[^`\n]*$",
    re.MULTILINE,
)
_PYTHON = re.compile(r"(?:python|py|pypy)[\d.]*|cpython|sage")
_CPP = re.compile(r"(?:cpp|c\+\+|cc|cxx|g\+\+)[\d]*")


@dataclass(frozen=True)
class _Block:
    language: str
    program: str
    closed: bool


def extract_program(completion: str) -> tuple[Language, str] | None:
    """The last fenced block in a known language, else the last fenced block, else bare code; and its language."""
    text = after_thinking(completion).replace("\r\n", "\n")
    blocks = [block for block in _blocks(text) if block.program.strip()]
    known = [(language, block) for block in blocks if (language := _language(block.language)) is not None]
    if not known:
        known = [(_guessed(block.program), block) for block in blocks if block.language in ("", "c")]
    if known:
        language, block = known[-1]
        whole = block.closed or language != "python"
        return language, block.program if whole else _without_prose(block.program)
    if not blocks and _looks_like_code(text):
        return _guessed(text), text
    return None


def after_thinking(completion: str) -> str:
    """What stands behind a model's thinking; programs are longer than other answers, so nothing else is cut off."""
    if len(completion) > 4 * LONGEST_PROGRAM:
        completion = completion[-4 * LONGEST_PROGRAM :]
    _, closed, answer = completion.rpartition("</think>")
    return answer if closed and answer.strip() else completion


def _blocks(text: str) -> list[_Block]:
    """All fenced blocks; the last one may never be closed, and then takes the rest of the text."""
    blocks, start = [], 0
    while opening := _OPENING.search(text, start):
        indent, fence, language = opening[1], opening[2], opening[3]
        start = min(opening.end() + 1, len(text))
        closing = _closing(fence).search(text, start)
        program = text[start : closing.start() if closing else len(text)]
        blocks.append(_Block(language.lower(), _outdented(program, len(indent)), closed=closing is not None))
        if closing is None:
            break
        start = closing.end()
    return blocks


def _closing(fence: str) -> re.Pattern[str]:
    """A fence alone on its line or behind a program's last one; words may follow it, but one is a language."""
    sign = re.escape(fence)
    return re.compile(rf"^[ \t]*{sign}[ \t]*(?=$|[^\w\s{fence[0]}]|\w[\w'’]*[ \t]+\S)|{sign}[ \t]*$", re.MULTILINE)


def _language(name: str) -> Language | None:
    if _PYTHON.fullmatch(name):
        return "python"
    return "c++" if _CPP.fullmatch(name) else None


def _outdented(block: str, indent: int) -> str:
    """A block without the indent of its fence, as in a list, where its first line has any of it."""
    first = block.lstrip("\r\n")
    indent = min(indent, len(first) - len(first.lstrip(" \t")))
    return re.sub(rf"^[ \t]{{1,{indent}}}", "", block, flags=re.MULTILINE) if indent else block


def _without_prose(program: str) -> str:
    """A program whose fence is never closed without the lines behind it that are none of it."""
    lines = program.rstrip().split("\n")
    for count in range(len(lines), max(len(lines) - _LONGEST_PROSE, 0), -1):
        source = "\n".join(lines[:count])
        if (count == len(lines) or not lines[count - 1].strip()) and source.strip() and _is_python(source):
            return source
    return program


def _is_python(source: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _guessed(source: str) -> Language:
    return "c++" if re.search(r"^\s*#\s*include\b|\bint\s+main\s*\(", source, re.MULTILINE) else "python"


def _looks_like_code(text: str) -> bool:
    start = text.lstrip()
    if re.match(
        r"(?:#include\b|import \w|from \w+ import\b|def \w+\(|class \w+|print\(|\w+ ?= ?|for \w+ in |n, )", start
    ):
        return True
    return bool(re.search(r"^(?:int main\(|def \w+\(.*\):|print\(.*\)\s*$)", text, re.MULTILINE))
