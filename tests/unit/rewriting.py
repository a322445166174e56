r"""Real reference answers as other hands would write them; run as a program, it prints how many keep their verdict.

Each rewriting takes an answer and gives it back in another hand, or None where it does not apply. It changes no value,
so that the answer must stay right, and another answer that is rewritten in the same way must stay wrong.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

from real_rows import FILES, ROWS

from effopd.datasets.load import load_rows
from effopd.datasets.rows import read_examples
from effopd.datasets.spec import read_spec, spec_file
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import score_all

Rewriting = Callable[[str], str | None]

_WORDS = re.compile(r"[A-Za-z][A-Za-z .'-]+")
_GREEK = ["alpha", "beta", "gamma", "delta", "theta", "lambda", "mu", "rho", "sigma", "tau", "phi", "omega", "pi"]
_INTEGER = re.compile(r"-?\d{1,15}")
_UNICODE = {
    r"\pi": "π", r"\infty": "∞", r"\leq": "≤", r"\geq": "≥", r"\neq": "≠", r"\cdot": "·", r"\times": "×", r"\cup": "∪",
    r"\pm": "±", r"\alpha": "α", r"\lambda": "λ", r"\theta": "θ", r"\mathbb{R}": "ℝ", r"\in": "∈", "-": "−", "^2": "²",
}  # fmt: skip


def is_mathematics(answer: str) -> bool:
    return not _WORDS.fullmatch(answer) and "\\text" not in answer and "\\(" not in answer and "\n" not in answer


def with_braces(answer: str) -> str | None:
    text = re.sub(r"([\^_])([A-Za-z0-9])(?![\w.])", r"\1{\2}", answer)
    text = re.sub(r"\\(mathbb|mathcal|mathbf|sqrt|hat|bar)\s*([A-Za-z0-9])(?![A-Za-z0-9])", r"\\\1{\2}", text)
    return text if text != answer else None


def without_braces(answer: str) -> str | None:
    text = re.sub(r"([\^_])\{([A-Za-z0-9])\}(?![\w.])", r"\1\2", answer)
    text = re.sub(r"\\(mathbb|mathcal|mathbf|hat|bar)\{([A-Za-z])\}", r"\\\1 \2", text)
    text = re.sub(r"\\sqrt\{(\d)\}(?!\s*\d)", r"\\sqrt\1", text)
    text = re.sub(r"\\([dt]?frac)\{(\d)\}\{(\d)\}(?!\s*\d)", r"\\\1\2\3", text)
    return text if text != answer else None


def between(before: str, behind: str) -> Rewriting:
    return lambda answer: f"{before}{answer}{behind}" if is_mathematics(answer) else None


def spaced(answer: str) -> str | None:
    if not is_mathematics(answer) or "matrix" in answer:
        return None
    text = re.sub(r"(?<=[\w)}]) ?([+=<>]) ?(?=[\w(\\])", r"\\, \1 \\; ", answer)
    text = re.sub(r",(?=\s)", r",\\ ", text).replace("\\left", "").replace("\\right", "")
    text = (
        text.replace("(", "\\left(").replace(")", "\\right)")
        if text.count("(") == text.count(")") and "|" not in text
        else text
    )
    return text if text != answer else None


def other_fractions(answer: str) -> str | None:
    if "frac" not in answer:
        return None
    return answer.replace("\\dfrac", "\\tfrac") if "\\dfrac" in answer else answer.replace("\\frac", "\\dfrac")


def as_plain_text(answer: str) -> str | None:
    """``\\frac{\\pi}{2}`` as ``((pi)/(2))``, where nothing is left of TeX then."""
    if re.search(r"\d\s*\\d?frac", answer):
        return None  # a mixed number
    text = answer.replace("\\left", "").replace("\\right", "").replace("\\,", " ").replace("\\dfrac", "\\frac")
    for _ in range(4):
        text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"((\1)/(\2))", text)
        text = re.sub(r"\\sqrt\{([^{}]*)\}", r"sqrt(\1)", text)
        text = re.sub(r"\^\{([^{}]*)\}", r"**(\1)", text)
    text = re.sub(r"\^([A-Za-z0-9])", r"**\1", text)
    text = re.sub(rf"\\({'|'.join(_GREEK)}|ln|log|sin|cos|tan|arctan|sinh|cosh|max|min|gcd)(?![A-Za-z])", r" \1 ", text)
    for command, plain in (
        (r"\infty", "oo"),
        (r"\cdot", "*"),
        (r"\times", "*"),
        (r"\leq", "<="),
        (r"\geq", ">="),
        (r"\neq", "!="),
    ):
        text = text.replace(command, plain)
    return text.strip() if text != answer and not re.search(r"[\\{}_]", text) and is_mathematics(answer) else None


def upright(answer: str) -> str | None:
    if re.search(r"\d[eE][-+]?\d", answer):
        return None
    text = re.sub(r"(?<![A-Za-z\\{_])([ei])(?![A-Za-z}])", r"\\mathrm{\1}", answer)
    return text if text != answer and is_mathematics(answer) and "begin" not in answer else None


def as_unicode(answer: str) -> str | None:
    text = answer
    for command, sign in _UNICODE.items():
        end = r"(?![A-Za-z])" if command[-1].isalpha() else r"(?![0-9])" if command[-1].isdigit() else ""
        text = re.sub(re.escape(command) + end, sign, text)
    return text if text != answer and is_mathematics(answer) else None


def as_decimal(answer: str) -> str | None:
    return f"{answer}.00" if _INTEGER.fullmatch(answer) else None


def grouped(answer: str) -> str | None:
    return f"{int(answer):,}".replace(",", "{,}") if _INTEGER.fullmatch(answer) and abs(int(answer)) > 999 else None


def as_power_of_ten(answer: str) -> str | None:
    if not _INTEGER.fullmatch(answer) or not int(answer) or answer.startswith("0"):
        return None
    digits = answer.lstrip("-")
    sign = "-" if answer.startswith("-") else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'} \\times 10^{{{len(digits) - 1}}}"


def with_unit(unit: str) -> Rewriting:
    return lambda answer: f"{answer}{unit}" if re.fullmatch(r"-?[\d.]+|-?\\d?frac\{\d+\}\{\d+\}", answer) else None


def assigned(answer: str) -> str | None:
    """With a name for it that it does not use: ``x = y`` is a statement, and so is ``x = f(x)``."""
    if not is_mathematics(answer) or re.search(r"=|<|>|\\[lg]eq?\b|\\iff|\\neq|\\in\b|\\equiv", answer):
        return None
    return next((f"{name} = {answer}" for name in "xyz" if name not in answer), None)


def said(sentence: str) -> Rewriting:
    return lambda answer: sentence.replace("ANSWER", answer)


@dataclass(frozen=True)
class Kind:
    """Rewritings of one kind; boxed: whether they stand in a box, or are a completion as they are."""

    name: str
    rewritings: tuple[Rewriting, ...]
    boxed: bool = True


_DECORATIONS = (
    ("\\boldsymbol{", "}"), ("\\mathbf{", "}"), ("\\textcolor{red}{", "}"), ("{\\bf ", "}"), ("{\\color{blue}", "}"),
    ("\\displaystyle ", ""), ("\\boxed{", "}"), ("\\underline{", "}"), ("\\large ", ""), ("$", "$"), ("\\bm{", "}"),
)  # fmt: skip
_LEADING = ("= ", "\\approx ", ": ", "\\Rightarrow ")
_TRAILING = (".", ",", ";", "\\,.", "\\\\", "。", " \\checkmark")
_UNITS = ("\\text{ cm}", "\\ \\mathrm{m/s^2}", " units", "\\text{ apples}")
_SENTENCES = (
    "So the answer is $ANSWER$.", "**Answer:** $ANSWER$\n\nLet me know if you want all 3 steps.", "Thus \\[ ANSWER \\]",
    "Die Antwort ist $ANSWER$.", "答案：$ANSWER$", "<answer>ANSWER</answer>",
)  # fmt: skip
KINDS = (
    Kind("braces around one token, or without", (with_braces, without_braces)),
    Kind("decoration", tuple(between(before, behind) for before, behind in _DECORATIONS)),
    Kind("a leading relation", tuple(between(before, "") for before in _LEADING)),
    Kind("a name and =", (assigned,)),
    Kind("trailing punctuation", tuple(between("", behind) for behind in _TRAILING)),
    Kind("spaces and sizes of brackets", (spaced, between("\\;", "\\quad"))),
    Kind("other commands for fractions", (other_fractions,)),
    Kind("plain text", (as_plain_text,)),
    Kind("upright constants", (upright,)),
    Kind("Unicode", (as_unicode,)),
    Kind("decimals, groups of digits, powers of ten", (as_decimal, grouped, as_power_of_ten)),
    Kind("units", tuple(with_unit(unit) for unit in _UNITS)),
    Kind("prose", tuple(said(sentence) for sentence in _SENTENCES), boxed=False),
    Kind("JSON", (lambda answer: json.dumps({"steps": "1 + 1", "answer": answer}),), boxed=False),
)


def references() -> list[str]:
    """Every distinct reference answer of the real rows, in the order of the files."""
    answers: dict[str, None] = {}
    for file, (name, _) in FILES.items():
        spec = read_spec(spec_file(name))
        examples, _ = read_examples(spec, load_rows(spec, ROWS / file), seed=0)
        answers.update((example.answer, None) for example in examples)
    return list(answers)


SAME_VALUE = ({"\\frac{3}{16}", "\\dfrac{3}{16}"}, {"G = HK", "HK = G"})  # of the pairs that `outcome` makes, by hand


@dataclass(frozen=True)
class Outcome:
    """What came of a kind: how many were tried, the equal ones that were called wrong, and the others called right."""

    equal: int
    lost: list[tuple[str, str]]
    different: int
    gained: list[tuple[str, str]]


def outcome(kind: Kind, answers: list[str]) -> Outcome:
    """Each answer against all of its rewritings, and against one of two others each, of which one looks like it."""
    ordered = sorted(answers, key=lambda answer: (len(answer), answer))
    near = dict(zip(ordered, ordered[1:] + ordered[:1], strict=True))
    far = dict(zip(answers, answers[len(answers) // 2 :] + answers[: len(answers) // 2], strict=True))
    equal, different = [], []
    for row, answer in enumerate(answers):
        equal += [(answer, text) for rewriting in kind.rewritings if (text := rewriting(answer)) is not None]
        rewriting = kind.rewritings[row % len(kind.rewritings)]
        for other in (near[answer], far[answer]):
            if {answer, other} not in SAME_VALUE and (text := rewriting(other)) is not None:
                different.append((answer, text))
    return Outcome(
        len(equal),
        [pair for pair, score in zip(equal, graded(equal, boxed=kind.boxed), strict=True) if score < 1],
        len(different),
        [pair for pair, score in zip(different, graded(different, boxed=kind.boxed), strict=True) if score > 0],
    )


def graded(pairs: list[tuple[str, str]], *, boxed: bool) -> list[float]:
    completions = [f"\\boxed{{{text}}}" if boxed else text for _, text in pairs]
    return score_all([Problem("math", "", answer) for answer, _ in pairs], completions)


def main() -> None:
    answers = references()
    lines = [f"{len(answers):,} different answers", "| written with | stay right | stay wrong |", "| --- | --- | --- |"]
    for kind in KINDS:
        found = outcome(kind, answers)
        right, wrong = found.equal - len(found.lost), found.different - len(found.gained)
        lines.append(f"| {kind.name} | {right:,} of {found.equal:,} | {wrong:,} of {found.different:,} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
