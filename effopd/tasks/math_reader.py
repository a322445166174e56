"""math-verify's reader of LaTeX, but that a capital is another letter, and in half the time.

Much of the time of latex2sympy2 goes into numbers, for each of which sympy imports all of itself, and into predicting
with the parser's whole stack, which ANTLR's tables never remember. Both are left out where they decide nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

KNOWN = "1.11.0"  # of latex2sympy2_extended; math-verify 0.9 takes no other

_DIGITS = re.compile("[0-9]+")
_DECIMAL = re.compile(r"[0-9]*\.[0-9]+")


def install() -> None:
    """Make math-verify read with `reader()` in this process, if its own reader is the one that it builds on."""
    from latex2sympy2_extended import latex2sympy2

    latex2sympy2._Latex2Sympy = reader() if version("latex2sympy2_extended") == KNOWN else case_reader()


def case_reader() -> Any:
    """A reader that tells R from r, for which math-verify has no setting."""
    from latex2sympy2_extended import latex2sympy2

    class CaseReader(latex2sympy2._Latex2Sympy):
        def __init__(self, *args: Any, config: latex2sympy2.ConversionConfig, **options: Any) -> None:
            super().__init__(*args, config=replace(config, lowercase_symbols=False), **options)

    return CaseReader


def reader() -> Any:
    """A reader that predicts without the stack first (SLL), and with it (LL) where that finds no tree.

    A tree that SLL finds is the one that LL finds, says ANTLR's documentation of `PredictionMode`.
    """
    # Imported here, so that stages, which watch the code that they import, can import this module in no time.
    from antlr4.atn.ParserATNSimulator import ParserATNSimulator
    from antlr4.atn.PredictionMode import PredictionMode
    from antlr4.dfa.DFA import DFA
    from antlr4.PredictionContext import PredictionContextCache
    from latex2sympy2_extended.antlr_parser import PSParser
    from sympy import Float, Integer

    # tables of its own, so that what a retry reads does not depend on what was read before
    tables = [DFA(state, number) for number, state in enumerate(PSParser.atn.decisionToState)]
    contexts = PredictionContextCache()

    usual: Any = case_reader()

    class Reader(usual):
        def create_parser(self, latex_str: str) -> Any:
            parser = super().create_parser(latex_str)
            parser._interp = ParserATNSimulator(parser, parser.atn, tables, contexts)
            parser._interp.predictionMode = PredictionMode.SLL
            try:
                tree = parser.math()
            except Exception:  # noqa: BLE001 - its listener of errors raises nothing more special
                return super().create_parser(latex_str)
            return SimpleNamespace(math=lambda: tree)

        def parse_number(self, text: str) -> Any:
            plain = text.replace(",", "")
            if _DIGITS.fullmatch(plain):
                return Integer(int(plain))
            return Float(plain) if _DECIMAL.fullmatch(plain) else super().parse_number(text)

    return Reader
