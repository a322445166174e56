"""Multiple choice: the letter that a completion settles on, however it is written."""

from __future__ import annotations

import re

from effopd.tasks.extraction import after_thinking, last_boxed
from effopd.tasks.problems import Problem
from effopd.tasks.verdict import Verdict, right, shortened, wrong

TASK = "choice"
LETTERS = "ABCDEFGHIJ"

_WRAPPED = r"(?:\\(?:text|mathrm|mathbf|textbf|boxed)\s?\{|[\s_(\[{\"'“]){0,8}"
_PRONOUN = (
    r"(?!(?<=I)\s(?:am|believe|can|choose|could|do|guess|have|mean|pick|say|select|should|think|was|will|would)\b)"
)
_LETTER = r"([A-J])(?![\w'’])(?!\s?[&+=^])" + _PRONOUN
_IS = r"\s?(?:is|are|would\sbe|must\sbe|should\sbe|:|=|-|–|—)"
_THEN = (
    r"[\s_:]{0,4}(?:(?:clearly|therefore|thus|the)\s){0,2}(?:(?:option|choice|answer|letter)\s?)?" + _WRAPPED + _LETTER
)
_ANNOUNCED = re.compile(
    r"(?:answer(?:\s(?:choice|option|letter))?|(?:best|correct|final|right)\s(?:choice|option|letter))" + _IS + _THEN,
    re.IGNORECASE,
)
_HEADING = r"^\s?(?:(?:best|correct|final|my|right|the)\s){0,2}answer"
_HEADED = re.compile(
    _HEADING + r"(?:\n" + _WRAPPED + _LETTER + r"|\s" + _WRAPPED + _LETTER + r"[)\].:}\"”]{0,6}\s?$)",
    re.IGNORECASE | re.MULTILINE,
)
_CHOSEN = re.compile(
    r"(?:\bI(?:['’]d|['’]ll|\swill|\swould)?\s(?:choose|pick|select)|\bmy\s(?:choice|pick)" + _IS + ")" + _THEN,
    re.IGNORECASE,
)
_MENTIONED = re.compile(
    r"(?:answer|option|choice|choose|pick|select)(?:\s(?:choice|option|letter))?(?:" + _IS + ")?" + _THEN, re.IGNORECASE
)
_LINE = re.compile(r"\s?" + _WRAPPED + r"([A-J])[)\].:}\"”]{0,6}\s?")
_ALONE = re.compile(r"^" + _WRAPPED + r"([A-J])[)\].:}\"”]{0,6}\s?(?:$|(?<=[).:]\s))", re.MULTILINE)
_CORRECT = re.compile(r"(?<![\w'’])([A-J])[)\]]?\sis\s(?:the\s)?(?:correct|right|best|answer)\b")
_NOT = re.compile(r"(?:not|n't|cannot be|incorrect|wrong|isn't|rule out|eliminate)[\s\w,]{0,24}$", re.IGNORECASE)
_NOT_IN_CLAUSE = re.compile(r"(?:not|n't|cannot be|incorrect|wrong|isn't)[\s\w]{0,24}$", re.IGNORECASE)
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
    """The option that a completion settles on: boxed, else announced or called correct, else chosen or alone on the
    first or last line, else mentioned, else at the start of a line; the last of its kind.

    What is announced stands before what is mentioned, since explanations go on about the other options.
    """
    text = _MARKUP.sub(" ", after_thinking(completion))
    text = re.sub(r"[^\S\n]*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", text))
    boxed = last_boxed(text)
    if boxed is not None and (match := re.match(_WRAPPED + r"(?:option|choice)?[\s(]*([A-Ja-j])(?![A-Za-z])", boxed)):
        return match[1].upper()
    announced = _found(_ANNOUNCED, text, _NOT_IN_CLAUSE) + _found(_HEADED, text) + _found(_CORRECT, text, _NOT, 20)
    if announced:
        return max(announced)[1]
    if chosen := _found(_CHOSEN, text, _NOT):
        return chosen[-1][1]
    lines = text.strip().split("\n")
    for line in (lines[-1], lines[0]):
        if match := _LINE.fullmatch(line):
            return match[1]
    mentioned = _found(_MENTIONED, text, _NOT) or _found(_ALONE, text)
    return mentioned[-1][1] if mentioned else None


def _found(
    pattern: re.Pattern[str], text: str, denied: re.Pattern[str] | None = None, before: int = 40
) -> list[tuple[int, str]]:
    """Where each match with a capital letter ends, and the letter, but for those that follow a denial."""
    return [
        (match.end(), letter)
        for match in pattern.finditer(text)
        if (letter := next(group for group in match.groups() if group)).isupper()
        and not (denied and denied.search(text[max(0, match.start() - before) : match.start()]))
    ]
