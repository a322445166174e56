"""Mathematical answers: extracted from a completion, compared as text, as numbers, and by math-verify.

What math-verify does with a hostile or enormous answer is bounded by a process that can be killed; see `math_process`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import accumulate

from effopd.tasks import math_process
from effopd.tasks.extraction import after_thinking, announced, bare, last_boxed, last_line
from effopd.tasks.notation import TEXT_COMMAND, standard
from effopd.tasks.problems import Problem
from effopd.tasks.verdict import Verdict, right, shortened, wrong

TASK = "math"
APPROXIMATE_TASK = "math-approximate"
"""As `math`, but numbers may differ by 1 %: the custom of MINERVA, whose answers are measurements."""

TOLERANCE = 0.01
LONGEST_ANSWER = 2_000  # characters; no answer to compare is longer
DEEPEST_ANSWER = 10  # brackets in brackets; 5 in 25,000 reference answers

_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[-+]?\.\d+"
_PLAIN_NUMBER = re.compile(_NUMBER)
_FRACTION = re.compile(r"(-?)(\d*)\\frac(?:\{(\d+)\}|(\d))(?:\{(\d+)\}|(\d))|(-?)()(\d+)/(\d+)")
_SPACED_COMMA = re.compile(r"\d,\s+\d")  # two numbers, 10, 200, and not ten thousand
_IN_BASE = re.compile(r"0*(\d[0-9A-F]*)_\{?(\d+)\}?")
_MEMBER = re.compile(r"[A-Za-z]\\in(?![A-Za-z])")
_BRACKET = re.compile(r"\\?[{}]|[()\[\],]")
_WORDS = re.compile(r"[A-Za-z][A-Za-z'’\- ]*[A-Za-z]")
_UNFINISHED = re.compile(r"\\(?:boxed|fbox)\s*\{")  # a box that was never closed
_CONSTANTS = {"pi", "infinity", "infty", "inf", "oo"}
_SPACING = re.compile(
    r"\\(?:left|right|bigl?|bigr|Bigl?|Bigr|displaystyle|textstyle|limits)(?![a-zA-Z])|\\[!,;:> ]|~|(?!(?<=\d) \d)\s+"
)


def verify(problem: Problem, completion: str) -> Verdict:
    """Grade a completion; never raises on what a model writes. Asks math-verify only where text and numbers differ."""
    answer = extract_answer(completion)
    if answer is None:
        return wrong("no answer found")
    if len(answer) > LONGEST_ANSWER:
        return wrong(f"the answer has {len(answer)} characters")
    tolerance = TOLERANCE if problem.task == APPROXIMATE_TASK else 0.0
    quick = compare_plainly(problem.answer, answer, tolerance)
    if quick is not None:
        return quick
    if _depth(answer) > DEEPEST_ANSWER:  # math-verify's parser may take exponentially long
        return wrong(f"the answer is nested {_depth(answer)} deep")
    judged = math_process.ask(gold=standard(problem.answer), answer=standard(answer), tolerance=tolerance)
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
    gold_text, answer_text = canonical(gold), canonical(answer)
    if gold_text == answer_text:
        return right(f"same text: {shortened(answer)}")
    gold_words, answer_words = _words(gold), _words(answer)
    if gold_words is not None:
        same = gold_words == answer_words
        return right(f"same words: {gold_words}") if same else wrong(f"{shortened(answer)} is not {shortened(gold)}")
    shown = f"{shortened(answer)} against {shortened(gold)}"
    gold_base, answer_base = (_IN_BASE.fullmatch(text.upper()) for text in (gold_text, answer_text))
    if gold_base and answer_base:
        same = gold_base.groups() == answer_base.groups()
        return right(f"same digits: {shown}") if same else wrong(f"another number or base: {shown}")
    if {_brackets(gold_text), _brackets(answer_text)} == {"(", "\\{"}:
        return wrong(f"one has an order, the other is a set: {shown}")
    gold_number, answer_number = (plain_number(text.removesuffix("\\%")) for text in (gold_text, answer_text))
    if gold_number is None or answer_number is None or _SPACED_COMMA.search(gold) or _SPACED_COMMA.search(answer):
        return None
    if abs(gold_number - answer_number) <= Fraction(tolerance) * abs(gold_number):
        return right(f"same number: {shown}")
    texts = gold_text + answer_text
    if "." in texts and ("/" in texts or "frac" in texts):
        return None  # 0.333333 for a third: math-verify knows how many digits count
    return wrong(f"another number: {shown}")


def canonical(answer: str) -> str:
    """An answer without what changes its looks but not its meaning."""
    text = TEXT_COMMAND.sub(r"\1", standard(bare(answer)))
    text = _SPACING.sub("", text)
    text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\$", "")
    return text.removesuffix(".")


def plain_number(text: str) -> Fraction | None:
    """The value of ``-1,234.5``, ``1/2``, ``-\\frac{1}{2}`` or ``1\\frac{1}{2}`` exactly; None for anything else."""
    if len(text) > 100:
        return None
    if _PLAIN_NUMBER.fullmatch(text):
        return Fraction(text.replace(",", ""))
    if (match := _FRACTION.fullmatch(text)) is None:
        return None
    sign, whole, numerator, denominator = (group for group in match.groups() if group is not None)
    if not int(denominator):
        return None
    return (-1 if sign else 1) * (int(whole or 0) + Fraction(int(numerator), int(denominator)))


def _depth(answer: str) -> int:
    """How many brackets are open at once."""
    return max(accumulate((sign in "([{") - (sign in ")]}") for sign in answer), default=0)


def _brackets(text: str) -> str:
    """The bracket that a whole list stands in: ``(`` or ``\\{``; empty for anything else."""
    text = _MEMBER.sub("", text, count=1) if _MEMBER.match(text) else text
    opening = next((sign for sign in ("(", "\\{") if text.startswith(sign)), "")
    depth, listed = 0, False
    for sign in _BRACKET.finditer(text) if opening else ():
        depth += (sign[0] in ("(", "[", "{", "\\{")) - (sign[0] in (")", "]", "}", "\\}"))
        listed |= depth == 1 and sign[0] == ","
        if depth == 0:
            return opening if listed and sign.end() == len(text) else ""
    return ""


def _words(answer: str) -> str | None:
    """Words such as “does not exist”, in lower case; None where an answer is anything but words."""
    text = bare(TEXT_COMMAND.sub(r"\1", bare(answer))).replace("\\ ", " ").replace("~", " ")
    if not _WORDS.fullmatch(text) or text.lower() in _CONSTANTS:
        return None
    words = " ".join(text.lower().split())
    return words if len(max(words.split(), key=len)) > 2 or words in ("no", "a", "an") else None
