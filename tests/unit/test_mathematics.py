"""Mathematical answers against judgement by hand, sympy's algebra, and sets by the numbers that are in them."""

from __future__ import annotations

import random
from fractions import Fraction

import math_prose
import math_variants
import pytest
import sympy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effopd.mathematics import process
from effopd.mathematics.answer import canonical, formula
from effopd.mathematics.formula import Formula
from effopd.mathematics.realset import real_set
from effopd.mathematics.tex import UnreadableError, read, spell
from effopd.mathematics.units import unit_of
from effopd.mathematics.value import Point, same_value, values
from effopd.mathematics.worker import compare
from effopd.tasks import math
from effopd.tasks.problems import Problem


def is_right(answer: str, reference: str, task: str = "math") -> bool:
    return math.verify(Problem(task, "", reference), f"\\boxed{{{answer}}}").score == 1.0


@pytest.mark.parametrize("kind", math_variants.EQUAL)
def test_equal_answers_are_equal_however_they_are_written(kind: str) -> None:
    assert [pair for pair in math_variants.EQUAL[kind] if not is_right(*pair)] == []


@pytest.mark.parametrize("kind", math_variants.DIFFERENT)
def test_different_answers_are_different_however_they_are_written(kind: str) -> None:
    assert [pair for pair in math_variants.DIFFERENT[kind] if is_right(*pair)] == []


def test_one_rule_holds_on_both_sides() -> None:
    """But for words, where only a reference that is words makes an answer one."""
    for table, equal in ((math_variants.EQUAL, True), (math_variants.DIFFERENT, False)):
        for kind, pairs in table.items():
            swapped = [(one, other) for one, other in pairs if is_right(other, one) != equal]
            assert swapped == [], kind


@pytest.mark.parametrize(("completion", "reference", "right"), math_prose.CASES)
def test_an_answer_is_found_in_prose(completion: str, reference: str, right: bool) -> None:
    verdict = math.verify(Problem("math", "", reference), completion)
    assert (verdict.score == 1.0) == right, verdict.reason


def test_measurements_may_be_off_by_one_per_cent_and_no_more() -> None:
    for answer, right in (
        ("9.81", True), ("9.9", True), ("9.92", False), (r"9.9\text{ m/s}^2", True), (r"9.92\text{ m/s}^2", False),
        (r"\sqrt{97}", True), (r"\sqrt{99}", False), ("-9.81", False), ("990", False), (r"9.85\times10^{0}", True),
    ):  # fmt: skip
        assert is_right(answer, "9.81", "math-approximate") == right, answer
        assert is_right(answer, r"9.81\text{ m/s}^2", "math-approximate") == right, answer
    assert not is_right("x+1", "x+1.001", "math-approximate")


@pytest.mark.parametrize(
    "answer",
    [
        "8+", "12/", "(3", "3)", r"8+\foo{5}", r"\frac{5}{6}\frac", "5 @ 6", r"5\oplus 3", "12'", "A^TA", r"\bar{3}x_",
        "1..2", r"\sqrt{", "5&6", r"\begin{cases}1\\2\end{cases}", r"\forall x", "12 x 3", "|3", r"\sin", "x^", r"{}",
    ],
)  # fmt: skip
def test_what_is_not_understood_whole_is_not_compared_but_as_text(answer: str) -> None:
    with pytest.raises(UnreadableError):
        formula(answer)
    right, reason = compare("1", answer, 0.0)
    assert not right and reason.startswith("not understood"), reason
    assert is_right(answer, answer) or "{" in answer.replace("}", "", 1) or not answer.strip("{}")


@pytest.mark.parametrize(
    "answer",
    [
        "9^{9^{9^9}}", "(" * 9 + "x" + ")" * 9 + "^{99999}", "100000!", "2^{9999999}", "e^{e^{e^{9}}}", "1e999999",
        r"\frac{1}{" * 8 + "x" + "}" * 8, "+".join(["x^{99}"] * 150), r"\sin(" * 9 + "10^{9000}" + ")" * 9,
        r"\sqrt{" * 9 + "2" + "}" * 9, "((((((((2^{400})^{400})^{400})))))", r"\binom{99999999}{5555}", "99999!!!!",
        r"\zeta(10^{50})", "x" * 1999, "1," * 900 + "1", r"\{" + "(1,2)," * 280 + r"(1,2)\}", r"\pm1" * 40,
    ],
)  # fmt: skip
def test_what_is_enormous_ends_within_the_limits_of_no_process(answer: str) -> None:
    """In this process, which no kernel ends: the size of numbers bounds the work."""
    for reference in ("1", "x+1", answer + "+1", r"\sqrt2"):
        assert not compare(reference, answer, 0.0)[0]


SMALL = st.integers(-4, 4).filter(bool).map(sympy.Integer)
LETTERS = st.sampled_from(sympy.symbols("x y a"))


def trees(leaves: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
    def grown(parts: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
        pairs = st.tuples(parts, parts)
        return (
            pairs.map(lambda pair: pair[0] + pair[1])
            | pairs.map(lambda pair: pair[0] * pair[1])
            | pairs.map(lambda pair: pair[0] / (pair[1] ** 2 + 1))
            | st.tuples(parts, st.integers(2, 3)).map(lambda pair: pair[0] ** pair[1])
            | st.tuples(st.sampled_from([sympy.sin, sympy.cos, sympy.exp, sympy.atan]), parts).map(lambda p: p[0](p[1]))
            | parts.map(lambda part: sympy.sqrt(part**2 + 2))
        )

    return st.recursive(leaves, grown, max_leaves=6)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees(SMALL | LETTERS), st.sampled_from([1, sympy.Rational(1, 1000), -2, sympy.pi / 10**9]))
def test_sympy_agrees_on_what_is_equal_and_what_is_not(tree: sympy.Expr, off: sympy.Expr) -> None:
    """A formula as sympy prints it, against the same expanded, and against one that is off by a little."""
    one = sympy.latex(tree)
    for other in (sympy.expand(tree), sympy.together(tree), tree.subs({}), sympy.factor_terms(tree)):
        assert compare(one, sympy.latex(other), 0.0)[0], (one, sympy.latex(other))
    if abs(sympy.N(tree.subs({"x": 2, "y": 3, "a": 5}))) < 10**6:
        assert not compare(one, sympy.latex(sympy.expand(tree) + off), 0.0)[0]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees(SMALL))
def test_values_are_those_of_sympy(tree: sympy.Expr) -> None:
    if abs(sympy.N(tree)) < 10**50:
        (found,) = values([formula(sympy.latex(tree))], Point(0)).found
        assert found is not None and abs(sympy.N(tree, 30) - sympy.sympify(str(found))) <= abs(sympy.N(tree)) * 1e-14


def intervals(rng: random.Random) -> tuple[str, set[Fraction]]:
    """A union, difference or intersection of intervals with ends from 0 to 5; and which halves are in it."""
    grid = [Fraction(n, 2) for n in range(-2, 13)]
    text, inside = "", set()
    for place in range(rng.randint(1, 4)):
        low, high = sorted(rng.sample(range(6), 2))
        opening, closing = rng.choice("(["), rng.choice(")]")
        own = {x for x in grid if low < x < high or (x == low and opening == "[") or (x == high and closing == "]")}
        sign, inside = (
            rng.choice([("\\cup", inside | own), ("\\cap", inside & own), ("\\setminus", inside - own)])
            if place
            else ("", own)
        )
        text += f"{sign} {opening}{low}, {high}{closing}"
    return text, inside


def test_unions_are_the_sets_of_the_numbers_in_them() -> None:
    """Ends are whole, so that two sets are equal where they hold the same halves of whole numbers."""
    rng = random.Random(7)
    drawn = [intervals(rng) for _ in range(300)]
    read_sets = [real_set(formula(text)) for text, _ in drawn]
    assert None not in read_sets
    equal = 0
    for (_, inside), one in zip(drawn, read_sets, strict=True):
        for (_, others), other in zip(drawn, read_sets, strict=True):
            assert one and other and one.is_same(other) == (inside == others)
            equal += inside == others
    assert equal > 600, "more than each with itself"


@pytest.mark.parametrize(
    ("inequality", "interval"),
    [
        ("x > 2", "(2,\\infty)"), ("3x \\le 6", "(-\\infty,2]"), ("-x > 2", "(-\\infty,-2)"),
        ("1 < 2x+1 \\le 5", "(0,2]"),
        ("x \\ne 2", "(-\\infty,2)\\cup(2,\\infty)"), ("x<1\\text{ or }x\\ge2", "(-\\infty,1)\\cup[2,\\infty)"),
        ("x>1\\text{ and }x<2", "(1,2)"), ("\\pi x < 2\\pi", "(-\\infty,2)"), ("x > \\sqrt2", "(\\sqrt{2},\\infty)"),
    ],
)  # fmt: skip
def test_inequalities_are_intervals(inequality: str, interval: str) -> None:
    assert compare(interval, inequality, 0.0)[0]
    assert not compare(interval.replace("2", "3"), inequality, 0.0)[0]


def test_units_are_what_they_are_made_of() -> None:
    for one, other, factor in (
        ("km", "m", Fraction(1000)), ("newtons", "kN", Fraction(1, 1000)), ("inches", "cm", Fraction("2.54")),
        ("hours", "min", Fraction(60)), ("milliliters", "L", Fraction(1, 1000)), ("cents", "dollars", Fraction(1, 100)),
    ):  # fmt: skip
        (first, second) = unit_of(one), unit_of(other)
        assert first and second and first.of == second.of and first.factor / second.factor == factor
    assert unit_of("N") == unit_of("kg").times(unit_of("m")).times(unit_of("s").power(-2))  # type: ignore[union-attr]
    assert unit_of("furlong") is None


def test_a_tree_is_spelled_in_one_way() -> None:
    for spellings in (
        ("\\frac12", "\\dfrac{1}{2}", "\\tfrac 1 2", "\\frac{1}2", "{1 \\over 2}"),
        ("x_1^2", "x^2_1", "x_{1}^{2}", "{x}_1^{{2}}"),
        ("\\mathbf{\\sqrt2}", "\\sqrt{2}", "\\textcolor{red}{\\sqrt 2}", "{\\bf\\sqrt{2}}"),
    ):
        assert len({spell(read(text)) for text in spellings}) == 1, spellings
    assert canonical("\\left( x \\right)") == canonical("(x)") != canonical("[x]")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["\\frac", "{", "}", "(", ")", "[", "]", "\\{", "\\}", "|", "^", "_", "x", "12", ".", ",", "\\sqrt",
             "\\sin", "+", "-", "\\pm", "=", "<", "\\cup", "\\infty", "\\text{ cm}", "\\text{or}", "!", "'", "%", "&",
             "\\\\", "\\begin{pmatrix}", "\\end{pmatrix}", "\\mathbb", "\\left", "e", "\\pi", "\\int", "d", "\\$",
             "^\\circ", "\\overline"]
        ),
        max_size=14,
    )
)  # fmt: skip
def test_any_text_is_understood_or_refused_and_equals_itself_alone_as_text(pieces: list[str]) -> None:
    text = " ".join(pieces)
    try:
        found: Formula | None = formula(text)
    except UnreadableError:
        found = None
    assert isinstance(compare("x", text, 0.0)[0], bool)
    if found is None:
        assert not compare("x", text, 0.0)[0] and not compare(text, text, 0.0)[0]


def test_a_comparison_that_takes_too_long_is_ended_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert process.ask("x", "x", 0.0).right
    assert same_value(Fraction(1, 3), Fraction(2, 6)) and not same_value(Fraction(1), 1 + Fraction(1, 10**40))
