"""Mathematics as LaTeX, whatever the hand: Unicode, spaced digits, mixed numbers, powers of ten as printed."""

from __future__ import annotations

import re
import unicodedata

_LATEX = {
    "−": "-", "–": "-", "×": "\\times ", "·": "\\cdot ", "⋅": "\\cdot ", "∙": "\\cdot ", "÷": "\\div ", "±": "\\pm ",
    "∓": "\\mp ", "°": "^{\\circ}", "º": "^{\\circ}", "℃": "^{\\circ}C", "℉": "^{\\circ}F", "≤": "\\le ", "≥": "\\ge ",
    "≠": "\\ne ", "≈": "\\approx ", "≃": "\\simeq ", "∼": "\\sim ", "≡": "\\equiv ", "≅": "\\cong ", "→": "\\to ",
    "⇒": "\\implies ", "∴": "\\therefore ", "∞": "\\infty ", "∅": "\\emptyset ", "∪": "\\cup ", "∩": "\\cap ",
    "∖": "\\setminus ", "∈": "\\in ", "∉": "\\notin ", "∧": "\\land ", "∨": "\\lor ", "∣": "|", "⌊": "\\lfloor ",
    "⌋": "\\rfloor ", "⌈": "\\lceil ", "⌉": "\\rceil ", "⟨": "\\langle ", "⟩": "\\rangle ", "⊤": "\\top ",
    "∠": "\\angle ", "ℝ": "\\mathbb{R}", "ℂ": "\\mathbb{C}", "ℚ": "\\mathbb{Q}", "ℤ": "\\mathbb{Z}", "ℕ": "\\mathbb{N}",
    "∛": "\\sqrt[3]", "′": "'", "″": "''", "’": "'", "。": ".", "、": ",", "∶": ":",
}  # fmt: skip
_GREEK = "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ"
_ALSO_GREEK = {"\u00b5": "\\mu ", "\u2126": "\\Omega "}  # the signs for micro and ohm
_RAISED, _LOWERED = re.compile("[⁰¹²³⁴-⁹⁺⁻ⁿ]+"), re.compile("[₀-₉]+")
_VULGAR = re.compile("[¼-¾⅐-⅞]")
_ROOT = re.compile(r"√\s*(?:\(((?:[^()]|\([^()]*\))*)\)|(\d+(?:\.\d+)?|[A-Za-z]|\\[a-z]+)|(?=\{))")

_SPACE = r"(?:\\[ ,;:>]|\\q?quad(?![a-zA-Z])|~|\s)+"
_BARE_ARGUMENTS = re.compile(r"(\\[dtc]?(?:frac|binom))\s*(\d)\s+(\d)")
_GROUPS = rf"\d{{1,3}}(?:{_SPACE}\d{{3}})+|\d+\.\d{{3}}(?:{_SPACE}\d{{3}})*{_SPACE}\d{{1,3}}"  # of three digits
_GROUPED = re.compile(rf"(?<![\d.^_])(?:{_GROUPS})(?!(?:{_SPACE})?\d)")
_MIXED = re.compile(rf"(?<![\d.^_])(\d+){_SPACE}(\d+)\s*/\s*(\d+)(?![\d.])")
_LISTED = re.compile(rf"(?<![\d.^_])(\d+(?:\.\d+)?){_SPACE}(?=\d)")
_BETWEEN_DIGITS = re.compile(rf"(?<=\d){_SPACE}(?=\d)")
_COMMA = re.compile(r"\{,\}|,\\!\s*")  # that groups digits
_TIMES = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^)")  # 5 x 10^3
_ALL_REALS = re.compile(r"\\text\{\s*(?:all\s+)?(?:real\s+numbers|reals)\s*\}|\ball\s+(?:real\s+numbers|reals)\b")
_FACTORIAL = re.compile(r"(?<=[\d)}])!=")  # which would pass for ≠
_EXPONENT = re.compile(r"(?<![A-Za-z\\\d.])(\d+(?:\.\d*)?|\.\d+)[eE]([-+]?\d+)(?!\w|\.\d)")


def standard(answer: str) -> str:
    r"""An answer that means the same to any reader, as LaTeX.

    ``10 000`` is a number, ``1 1/2`` is one and a half, and ``2 3`` are two numbers.
    """
    text = answer if answer.isascii() else _as_latex(answer)
    text = _FACTORIAL.sub("! =", _COMMA.sub(",", text).replace("\\!", ""))
    text = _ALL_REALS.sub(r"\\mathbb{R}", _TIMES.sub(r"\\times ", text))
    text = _EXPONENT.sub(r"\1 \\times 10^{\2}", text)
    if not _BETWEEN_DIGITS.search(text):
        return text
    text = _BARE_ARGUMENTS.sub(r"\1{\2}{\3}", text)
    text = _GROUPED.sub(lambda match: _BETWEEN_DIGITS.sub("", match[0]), text)
    text = _LISTED.sub(r"\1, ", _MIXED.sub(r"\1\\frac{\2}{\3}", text))
    return _BETWEEN_DIGITS.sub(" ", text)  # a product such as 2^3 5


def _as_latex(text: str) -> str:
    text = _RAISED.sub(lambda match: f"^{{{_compatible(match[0])}}}", text)
    text = _LOWERED.sub(lambda match: f"_{{{_compatible(match[0])}}}", text)
    text = _VULGAR.sub(lambda match: "\\frac{{{}}}{{{}}}".format(*_compatible(match[0]).split("⁄")), text)
    text = _compatible(text.translate(_CHARACTERS))
    return _ROOT.sub(lambda match: f"\\sqrt{{{match[1] or match[2]}}}" if match[1] or match[2] else "\\sqrt", text)


def _greek(letter: str) -> str:
    name = unicodedata.name(letter).rpartition(" ")[2].lower().replace("lamda", "lambda")
    return f"\\{name.capitalize() if letter.isupper() else name} "


def _compatible(text: str) -> str:
    """Without width, height and style: ``²`` as ``2``."""
    return unicodedata.normalize("NFKC", text).replace("−", "-")


_CHARACTERS = str.maketrans(_LATEX | _ALSO_GREEK | {letter: _greek(letter) for letter in _GREEK})
