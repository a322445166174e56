r"""Mathematics in one way of writing, whatever the hand: Unicode as LaTeX, spaced digits, mixed numbers."""

from __future__ import annotations

import re
import unicodedata

TEXT_COMMAND = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|operatorname|mbox)\s*\{([^{}]*)\}")

_LATEX = {
    "−": "-", "–": "-", "×": "\\times ", "·": "\\cdot ", "⋅": "\\cdot ", "÷": "\\div ", "±": "\\pm ", "°": "^{\\circ}",
    "≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ", "∞": "\\infty ", "∅": "\\emptyset ", "∪": "\\cup ", "∩": "\\cap ",
    "∈": "\\in ", "ℝ": "\\mathbb{R}", "ℂ": "\\mathbb{C}", "ℚ": "\\mathbb{Q}", "ℤ": "\\mathbb{Z}", "ℕ": "\\mathbb{N}",
    "α": "\\alpha ", "β": "\\beta ", "γ": "\\gamma ", "δ": "\\delta ", "ε": "\\epsilon ", "θ": "\\theta ",
    "λ": "\\lambda ", "μ": "\\mu ", "π": "\\pi ", "ρ": "\\rho ", "σ": "\\sigma ", "τ": "\\tau ", "φ": "\\phi ",
    "ω": "\\omega ", "Δ": "\\Delta ", "Ω": "\\Omega ",
}  # fmt: skip
_CHARACTERS = str.maketrans(_LATEX)
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
_HEAT = re.compile(r"(\^\s*(?:\\circ|\{\s*\\circ\s*\})|\\degree)\s*(?:\\(?:text|mathrm)\s*\{\s*)?[CF]\s*\}?$")
_EMPTY_SET = re.compile(r"\\varnothing|\\\{\s*\\\}")
_AREA = re.compile(r"(?<=[\d}])\s*(?:\\ )?(?:[ckm]m|ft|in)\s*\^\s*\{?[23]\}?$")  # or volume; as 5 cm^2
_FACTORIAL = re.compile(r"(?<=[\d)}])!=")  # which would pass for ≠


def standard(answer: str) -> str:
    r"""An answer that means the same to any reader, written as LaTeX that math-verify reads.

    ``10 000`` is a number, ``1 1/2`` is one and a half, and ``2 3`` are two numbers.
    """
    text = answer if answer.isascii() else _as_latex(answer)
    text = _EMPTY_SET.sub(r"\\emptyset", text.replace("\\!", ""))
    text = _FACTORIAL.sub("! =", _HEAT.sub(r"^{\\circ}", _AREA.sub("", text)))
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


def _compatible(text: str) -> str:
    """Without width, height and style: ``²`` as ``2``."""
    return unicodedata.normalize("NFKC", text).replace("−", "-")
