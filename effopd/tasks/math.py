"""Mathematical answers: extracted from a completion, compared as text and as numbers, and else by value.

What a hostile or enormous answer may cost is bounded by a process that can be killed; see `mathematics.process`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import accumulate

from effopd.mathematics import process
from effopd.mathematics.answer import canonical
from effopd.mathematics.assignment import UNKNOWNS
from effopd.mathematics.names import LETTERS
from effopd.mathematics.units import NUMBERS
from effopd.tasks.extraction import TEXT_COMMAND, after_thinking, announced, bare, last_boxed, last_line
from effopd.tasks.problems import Problem
from effopd.tasks.verdict import Verdict, right, shortened, wrong

TASK = "math"
APPROXIMATE_TASK = "math-approximate"
"""As `math`, but numbers may differ by 1 %: the custom of MINERVA, whose answers are measurements."""

TOLERANCE = 0.01
LONGEST_ANSWER = 2_000  # characters; no answer to compare is longer
DEEPEST_ANSWER = 10  # brackets in brackets; 5 in 25,000 reference answers

_PLAIN_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?|[-+]?\.\d+")
_FRACTION = re.compile(r"(-?)(\d*)\\frac\{(\d+)\}\{(\d+)\}|(-?)()(\d+)/(\d+)")
_WORDS = re.compile(r"[A-Za-z][A-Za-z'’\- ]*[A-Za-z]")
_LETTER = "|".join(["[A-Za-z]", *(rf"\\{letter} " for letter in sorted(LETTERS))])
_NAME = rf"(?:{_LETTER})" + r"(?:_\{[^{}]*\})?(?:\([^()]*\))?"
_ASSIGNED = re.compile(rf"({_NAME})=([^=]+)")
_NAMED = re.compile(_NAME)
_YES_OR_NO = re.compile(r"(yes|no|true|false)[,.;:]\s+([^\n]*)", re.IGNORECASE)
_RESERVED = re.compile(r"\b(?:but|except|however|if|no|only|or|unless|when|yes|true|false)\b", re.IGNORECASE)
_NO_SOLUTION = {"no solution", "no solutions", "there is no solution", "there are no solutions", "\\emptyset"}
_SAME_WORDS = {"dne": "does not exist"}
_UNFINISHED = re.compile(r"\\(?:boxed|fbox)\s*\{")  # a box that was never closed


def verify(problem: Problem, completion: str) -> Verdict:
    """Grade a completion; never raises on what a model writes."""
    answer = extract_answer(completion)
    if answer is None:
        return wrong("no answer found")
    if len(answer) > LONGEST_ANSWER:
        return wrong(f"the answer has {len(answer)} characters")
    tolerance = TOLERANCE if problem.task == APPROXIMATE_TASK else 0.0
    quick = compare_plainly(problem.answer, answer, tolerance)
    if quick is not None:
        return quick
    if _depth(answer) > DEEPEST_ANSWER:
        return wrong(f"the answer is nested {_depth(answer)} deep")
    judged = process.ask(gold=bare(problem.answer), answer=bare(answer), tolerance=tolerance)
    shown = f"{shortened(answer)} against {shortened(problem.answer)}"
    return right(f"equivalent: {shown}") if judged.right else wrong(f"{judged.reason}: {shown}")


def extract_answer(completion: str) -> str | None:
    """The last box, what the completion announces as its answer, or its last line; in this order."""
    text = after_thinking(completion)
    found = last_boxed(text) or announced(text) or last_line(text)
    if not found or not found.strip() or _UNFINISHED.search(found):
        return None
    return found.strip()


def compare_plainly(gold: str, answer: str, tolerance: float) -> Verdict | None:
    """A verdict where none but text and plain numbers are needed, else None."""
    gold_text, answer_text = canonical(bare(gold)), canonical(bare(answer))
    if gold_text == answer_text:
        return right(f"same text: {shortened(answer)}")
    if gold_text in _value(answer_text) or answer_text in _value(gold_text):
        return right(f"same text: {shortened(answer)}")
    gold_words, answer_words = _words(gold), _words(answer)
    if {gold_words or gold_text.strip(), answer_words or answer_text.strip()} <= _NO_SOLUTION:
        return right("no solution")
    if gold_words is not None and "\\" not in gold_text:
        same = gold_words == answer_words
        return right(f"same words: {gold_words}") if same else wrong(f"{shortened(answer)} is not {shortened(gold)}")
    gold_number, answer_number = plain_number(gold_text), plain_number(answer_text)
    if gold_number is None or answer_number is None:
        return None
    shown = f"{shortened(answer)} against {shortened(gold)}"
    if abs(gold_number - answer_number) <= Fraction(tolerance) * abs(gold_number):
        return right(f"same number: {shown}")
    if ("." in gold_text) != ("." in answer_text):
        return None  # 0.333333 for a third
    return wrong(f"another number: {shown}")


def _value(text: str) -> tuple[str, ...]:
    """What is assigned in ``x=…`` and ``f(x)=…``; other equations of two names are statements."""
    match = _ASSIGNED.fullmatch(text)
    if match is None or (_NAMED.fullmatch(match[2]) and not (match[1] in UNKNOWNS and UNKNOWNS.isdisjoint(match[2]))):
        return ()
    return (match[2],)


def plain_number(text: str) -> Fraction | None:
    """The value of ``-1234.5``, ``1/2``, ``-\\frac{1}{2}`` or ``1\\frac{1}{2}`` exactly; None for anything else."""
    if len(text) > 100:
        return None
    if _PLAIN_NUMBER.fullmatch(text):
        return Fraction(text)
    if (match := _FRACTION.fullmatch(text)) is None:
        return None
    sign, whole, numerator, denominator = (group for group in match.groups() if group is not None)
    if not int(denominator) or (whole and int(numerator) >= int(denominator)):
        return None
    return (-1 if sign else 1) * (int(whole or 0) + Fraction(int(numerator), int(denominator)))


def _depth(answer: str) -> int:
    """How many brackets are open at once."""
    return max(accumulate((sign in "([{") - (sign in ")]}") for sign in answer), default=0)


def _words(answer: str) -> str | None:
    """Words such as “does not exist”, in lower case; None where an answer is anything but words."""
    text = TEXT_COMMAND.sub(r"\1", bare(answer)).replace("\\ ", " ").replace("~", " ").strip(" .,;:!")
    if (yes_or_no := _YES_OR_NO.fullmatch(text)) and not _RESERVED.search(yes_or_no[2]):
        return str(yes_or_no[1].lower())
    if not _WORDS.fullmatch(text) or text.lower() in NUMBERS:
        return None
    words = " ".join(text.lower().split())
    words = _SAME_WORDS.get(words, words)
    return words if len(max(words.split(), key=len)) > 2 or words in ("no", "a", "an") else None
