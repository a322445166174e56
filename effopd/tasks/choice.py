"""Multiple choice: the letter that a completion settles on, however it is written."""

from __future__ import annotations

import re

from effopd.tasks.extraction import after_thinking, last_boxed
from effopd.tasks.problems import Problem
from effopd.tasks.verdict import Verdict, right, shortened, wrong

TASK = "choice"
LETTERS = "ABCDEFGHIJ"

_WRAPPED = r"(?:\\(?:text|mathrm|mathbf|textbf|boxed)\s?\{|[\s_(\[{\"'“]){0,8}"
_LETTER = r"([A-J])(?![\w'’])(?!\s?[&+=^])"
_SAID = re.compile(
    r"(?:answer|option|choice|choose|pick|select)(?:\s(?:choice|option|letter))?"
    r"\s?(?:is|are|would\sbe|must\sbe|should\sbe|:|=|-|–|—)?[\s_:]{0,4}(?:(?:clearly|therefore|thus|the)\s){0,2}"
    r"(?:(?:option|choice|answer|letter)\s?)?" + _WRAPPED + _LETTER,
    re.IGNORECASE,
)
_ALONE = re.compile(r"^" + _WRAPPED + r"([A-J])[)\].:}\"”]{0,6}\s?(?:$|(?<=[).:]\s))", re.MULTILINE)
_CORRECT = re.compile(r"(?<![\w'’])([A-J])[)\]]?\sis\s(?:the\s)?(?:correct|right|best|answer)\b")
_NOT = re.compile(r"(?:not|n't|cannot be|incorrect|wrong|isn't|rule out|eliminate)[\s\w,]{0,24}$", re.IGNORECASE)
_MARKUP = re.compile(r"[*`$#>]+")


def verify(problem: Problem, completion: str) -> Verdict:
    """1 for the letter of `problem.answer`, else 0; never raises on what a model writes."""
    letter = extract_letter(completion)
    if letter is None:
        return wrong("no option named")
    if letter == problem.answer.strip().upper():
        return right(f"option {letter}")
    return wrong(f"option {letter}, not {shortened(problem.answer)}")


def extract_letter(completion: str) -> str | None:
    """The option that a completion ends on: boxed, announced or called correct, or alone on its line; the last."""
    text = _MARKUP.sub(" ", after_thinking(completion))
    text = re.sub(r"[^\S\n]*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", text))
    boxed = last_boxed(text)
    if boxed is not None and (match := re.match(_WRAPPED + r"(?:option|choice)?[\s(]*([A-Ja-j])(?![A-Za-z])", boxed)):
        return match[1].upper()
    said = [
        m for m in _SAID.finditer(text) if m[1].isupper() and not _NOT.search(text[max(0, m.start() - 40) : m.start()])
    ]
    called = [m for m in _CORRECT.finditer(text) if not _NOT.search(text[max(0, m.start() - 20) : m.start()])]
    if matches := said + called:
        return max(matches, key=lambda match: match.end())[1].upper()
    alone = list(_ALONE.finditer(text))
    return alone[-1][1] if alone else None
