# ruff: noqa: E501 - a table reads better with a case a column
r"""Mathematical answers judged by hand: (completion, reference answer, whether it is right).

Written for this project, one by one, without looking at what the verifier says. ``B(x)`` is ``\boxed{x}`` in a sentence.
"""

from __future__ import annotations


def B(answer: str) -> str:
    return f"Working it out step by step, we arrive at $\\boxed{{{answer}}}$."


CASES: list[tuple[str, str, bool]] = [
    # integers and decimals
    (B("42"), "42", True), (B("42"), "43", False), (B("-7"), "-7", True), (B("7"), "-7", False),
    (B("+7"), "7", True), (B("007"), "7", True), (B("1,234"), "1234", True), (B("1234567"), "1,234,567", True),
    (B("1{,}234"), "1234", True), (B("1\\,234"), "1234", True), (B("12.0"), "12", True), (B("0.50"), "0.5", True),
    (B(".5"), "0.5", True), (B("3.14"), "\\pi", False), (B("0.333"), "\\frac{1}{3}", False),
    (B("0.5"), "\\frac{1}{2}", True), (B("2.50"), "\\frac{5}{2}", True), (B("-0"), "0", True),
    (B("204"), "113", False), (B("033"), "33", True), (B("1e3"), "1000", True), (B("2^{10}"), "1024", True),
    (B("10^6"), "1000000", True), (B("5!"), "120", True), (B("\\binom{5}{2}"), "10", True),
    (B("3 \\times 4"), "12", True), (B("3 \\cdot 10^8"), "300000000", True), (B("100000000000000000001"),
    "100000000000000000000", False), (B("0.1+0.2"), "0.3", True), (B("|{-3}|"), "3", True),
    # fractions
    (B("\\frac{3}{4}"), "\\frac{3}{4}", True), (B("\\dfrac{3}{4}"), "\\frac34", True), (B("\\tfrac34"), "0.75", True),
    (B("3/4"), "\\frac{3}{4}", True), (B("6/8"), "\\frac{3}{4}", True), (B("\\frac{-3}{4}"), "-\\frac{3}{4}", True),
    (B("-\\frac{3}{4}"), "\\frac{3}{-4}", True), (B("\\frac{3}{5}"), "\\frac{3}{4}", False),
    (B("\\frac{4}{3}"), "\\frac{3}{4}", False), (B("1\\frac{3}{4}"), "\\frac{7}{4}", True),
    (B("\\frac{22}{7}"), "\\pi", False), (B("\\frac{10}{5}"), "2", True), (B("1/2/2"), "\\frac14", True),
    (B("\\frac{1}{\\sqrt{2}}"), "\\frac{\\sqrt{2}}{2}", True), (B("\\frac{\\sqrt 2}{2}"), "\\frac{\\sqrt{2}}{2}", True),
    (B("\\frac{a}{b}"), "\\frac{b}{a}", False), (B("\\frac{1}{3}"), "0.\\overline{3}", True),
    # roots, powers, constants
    (B("\\sqrt{8}"), "2\\sqrt{2}", True), (B("\\sqrt{9}"), "3", True), (B("\\sqrt[3]{8}"), "2", True),
    (B("\\sqrt{3}"), "\\sqrt{2}", False), (B("2^{1/2}"), "\\sqrt{2}", True), (B("\\pi"), "\\pi", True),
    (B("2\\pi"), "\\pi", False), (B("\\frac{\\pi}{2}"), "\\pi/2", True), (B("\\pi^2/6"), "\\frac{\\pi^2}{6}", True),
    (B("e"), "e", True), (B("e^2"), "e^{2}", True), (B("e^{-1}"), "\\frac{1}{e}", True), (B("\\ln 2"), "\\ln(2)", True),
    (B("\\log 2"), "\\ln 2", True), (B("\\ln 4"), "2\\ln 2", True), (B("\\ln 3"), "\\ln 2", False),
    (B("\\sin(\\pi/6)"), "\\frac12", True), (B("\\cos 0"), "1", True), (B("\\arctan 1"), "\\frac{\\pi}{4}", True),
    (B("i"), "i", True), (B("-i"), "i", False), (B("3+4i"), "4i+3", True), (B("3-4i"), "3+4i", False),
    (B("(1+i)^2"), "2i", True), (B("1.414"), "\\sqrt{2}", False), (B("\\infty"), "\\infty", True),
    (B("-\\infty"), "\\infty", False), (B("+\\infty"), "\\infty", True), (B("\\sqrt{-1}"), "i", True),
    # expressions
    (B("x^2+2x+1"), "(x+1)^2", True), (B("(x+1)(x-1)"), "x^2-1", True), (B("x^2+1"), "x^2-1", False),
    (B("2x+3y"), "3y+2x", True), (B("a+b"), "a-b", False), (B("x(x+1)"), "x^2+x", True),
    (B("\\frac{x^2-1}{x-1}"), "x+1", True), (B("p-q"), "p - q", True), (B("q-p"), "p-q", False),
    (B("n(n+1)/2"), "\\frac{n(n+1)}{2}", True), (B("\\frac{n^2+n}{2}"), "\\frac{n(n+1)}{2}", True),
    (B("2^{n+1}"), "2 \\cdot 2^n", True), (B("\\sin^2 x + \\cos^2 x"), "1", True), (B("\\sin 2x"), "2\\sin x\\cos x", True),
    (B("-(x-1)"), "1-x", True), (B("x^{-1}"), "\\frac{1}{x}", True), (B("e^{x}e^{y}"), "e^{x+y}", True),
    (B("C e^{-3t}"), "Ce^{-3t}", True), (B("\\sqrt{x^2}"), "x", False), (B("x_1+x_2"), "x_2+x_1", True),
    (B("\\alpha + \\beta"), "\\beta+\\alpha", True), (B("2xy"), "2yx", True), (B("2^k"), "k^2", False),
    # equations and assignments
    (B("x=5"), "5", True), (B("5"), "x=5", True), (B("x = 5"), "x=5", True), (B("x=6"), "5", False),
    (B("y=2x+1"), "y=2x+1", True), (B("y=2x+1"), "y = 1+2x", True), (B("y=2x"), "y=2x+1", False),
    (B("m^2+1=0"), "m^2 + 1 = 0", True), (B("m^2-1=0"), "m^2+1=0", False), (B("f(x)=x^2"), "x^2", True),
    (B("x^2+y^2=4"), "x^2+y^2=4", True), (B("x+y=3"), "y+x=3", True), (B("2x+2y=6"), "x+y=3", True),
    (B("y=2x+1"), "2x+1", True), (B("k=\\frac{1}{2}"), "0.5", True),
    # tuples, sets, lists
    (B("(1,2)"), "(1,2)", True), (B("(2,1)"), "(1,2)", False), (B("( 1 , 2 )"), "(1,2)", True),
    (B("(3,\\frac{\\pi}{2})"), "\\left( 3, \\frac{\\pi}{2} \\right)", True), (B("(1,2,3)"), "(1,2)", False),
    (B("\\{1,2,3\\}"), "\\{3,2,1\\}", True), (B("\\{1,2\\}"), "\\{1,2,3\\}", False), (B("1,2,3"), "\\{1,2,3\\}", True),
    (B("1, 2"), "2, 1", True), (B("1, 3"), "2, 1", False), (B("\\{\\frac12, 2\\}"), "\\{0.5, 2\\}", True),
    (B("\\emptyset"), "\\emptyset", True), (B("x=1, x=2"), "1, 2", True), (B("x = 1 \\text{ or } x = 2"), "1,2", True),
    (B("1 \\text{ and } 2"), "1, 2", True), (B("\\pm 2"), "2, -2", True), (B("\\pm\\sqrt{3}"), "\\pm \\sqrt{3}", True),
    (B("2"), "\\pm 2", False), (B("-1, 0, 1"), "0, 1", False),
    ("The solutions are $\\boxed{2}$ and $\\boxed{3}$.", "2, 3", True), ("So $x=\\boxed{2}$ or $x=\\boxed{3}$.", "2,3", True),
    # intervals and inequalities
    (B("[0,1]"), "[0,1]", True), (B("(0,1)"), "[0,1]", False), (B("(0,1]"), "(0, 1]", True), (B("[0,1)"), "(0,1]", False),
    (B("(-\\infty, 3]"), "(-\\infty,3]", True), (B("(-\\infty, 3)"), "(-\\infty,3]", False),
    (B("(0,1) \\cup (2,3)"), "(0,1)\\cup(2,3)", True), (B("(2,3)\\cup(0,1)"), "(0,1)\\cup(2,3)", True),
    (B("(0,1)\\cup(2,4)"), "(0,1)\\cup(2,3)", False), (B("x \\in [0,1]"), "[0,1]", True),
    (B("0 \\le x \\le 1"), "[0,1]", True), (B("0 < x \\le 1"), "(0,1]", True), (B("0 < x < 1"), "[0,1]", False),
    (B("x > 3"), "x>3", True), (B("x > 3"), "x \\ge 3", False), (B("3 < x"), "x > 3", True), (B("x>3"), "(3,\\infty)", True),
    (B("\\left[0, \\tfrac{1}{2}\\right]"), "[0,\\frac{1}{2}]", True), (B("\\mathbb{R}"), "(-\\infty,\\infty)", True),
    # units, degrees, money, percent
    (B("5 \\text{ cm}"), "5", True), (B("5\\mathrm{~cm}"), "5", True), (B("5"), "5 \\text{ cm}", True),
    (B("5\\text{ cm}^2"), "5", True), (B("90^\\circ"), "90", True), (B("90"), "90^\\circ", True),
    (B("60^{\\circ}"), "90^\\circ", False), (B("\\$18.90"), "18.90", True), (B("18.9"), "\\$18.90", True),
    (B("\\$32,\\!348"), "32348", True), (B("50\\%"), "50", True), (B("50\\%"), "50\\%", True), (B("40\\%"), "50\\%", False),
    (B("12 \\text{ apples}"), "12", True), (B("5 \\text{ m/s}"), "5", True), (B("6 \\text{ cm}"), "5\\text{ cm}", False),
    # matrices and vectors
    (B("\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}"), "\\begin{pmatrix}1\\\\2\\end{pmatrix}", True),
    (B("\\begin{bmatrix} 1 \\\\ 2 \\end{bmatrix}"), "\\begin{pmatrix}1\\\\2\\end{pmatrix}", True),
    (B("\\begin{pmatrix} 2 \\\\ 1 \\end{pmatrix}"), "\\begin{pmatrix}1\\\\2\\end{pmatrix}", False),
    (B("\\begin{pmatrix}1&0\\\\0&1\\end{pmatrix}"), "\\begin{pmatrix}1 & 0 \\\\ 0 & 1\\end{pmatrix}", True),
    (B("\\begin{pmatrix}1&0\\\\0&2\\end{pmatrix}"), "\\begin{pmatrix}1 & 0 \\\\ 0 & 1\\end{pmatrix}", False),
    (B("\\begin{pmatrix} \\frac12 \\\\ 2 \\end{pmatrix}"), "\\begin{pmatrix}0.5\\\\2\\end{pmatrix}", True),
    # words
    (B("\\text{Yes}"), "Yes", True), (B("yes"), "Yes", True), (B("\\text{No}"), "Yes", False), (B("No"), "No", True),
    (B("\\text{True}"), "True", True), (B("False"), "True", False), (B("\\text{does not exist}"), "Does not exist", True),
    (B("\\text{The series converges}"), "converges", False), (B("\\text{Evelyn}"), "\\text{Evelyn}", True),
    (B("\\text{Briana}"), "\\text{Evelyn}", False), (B("\\text{even}"), "\\text{odd}", False), (B("\\text{even}"), "even", True),
    (B("\\textbf{(C)}"), "\\text{(C)}", True), (B("\\text{(B)}"), "\\text{(C)}", False), (B("C"), "\\text{(C)}", True),
    ("Therefore the answer is no.", "No", True), ("**Answer:** Yes", "Yes", True), ("Final answer: True.", "True", True),
    # bases, ratios, dates, large and odd
    (B("101_2"), "101_2", True), (B("2516_8"), "2516_8", True), (B("2:3"), "2:3", True), (B("3:2"), "2:3", False),
    (B("10:30"), "10:30", True), (B("4210_5"), "4210_{5}", True), (B("1001_2"), "101_2", False),
    # where the answer stands
    ("42", "42", True), ("The answer is 42.", "42", True), ("The answer is $42$.", "42", True), ("Answer: 42", "42", True),
    ("answer: \\(42\\)", "42", True), ("**Final Answer:** $\\frac{1}{2}$", "0.5", True),
    ("The final answer is: $\\boxed{42}$. I hope it is correct.", "42", True),
    ("First I thought \\boxed{41}, but rechecking gives \\boxed{42}.", "42", True),
    ("First I thought \\boxed{42}, but rechecking gives \\boxed{41}.", "42", False),
    ("\\boxed{\\frac{1}{2}", "\\frac{1}{2}", False), ("We get \\boxed 7.", "7", True), ("\\fbox{7}", "7", True),
    ("<think>maybe \\boxed{3}</think>\nThe answer is \\boxed{4}.", "4", True),
    ("<think>it is \\boxed{4}</think>\nThe answer is \\boxed{3}.", "4", False),
    ("Hence\n\\[\n42\n\\]", "42", True), ("Hence\n$$x = 42$$", "42", True), ("So the total is 42", "42", True),
    ("I do not know.", "42", False), ("", "42", False), ("\\boxed{}", "42", False), ("   \n \n", "0", False),
    ("The answer is 42 because 6 times 7 is 42.", "42", True), ("The answer is 41, not 42.", "42", False),
    ("42 is what one would guess, yet the answer is 43.", "42", False),
    ("The answer is\n\n$\\boxed{\\{1,2\\}}$", "\\{2,1\\}", True), ("\\boxed{\\text{The answer is }5}", "5", True),
    ("Thus $f(x) = x^2$, so the answer is $x^2$", "x^{2}", True), ("Answer: **12**", "12", True),
    ("The result is `15`.", "15", True), ("Thus, $n=\\boxed{15}$ cm.", "15", True), ("$\\boxed{x \\mapsto x+1}$", "x+2", False),
    # the tiny and the nearly equal
    (B("5.76e-19"), "2.88e-19", False), (B("2.88e-18"), "2.88e-19", False), (B("1.38e-23"), "2.88e-19", False),
    (B("-5e-30"), "2.88e-19", False), (B("2.88 \\times 10^{-19}"), "2.88e-19", True), (B("1.325e-26"), "1.325e-27", False),
    (B("3.4 \\times 10^{-30}"), "3.4 \\times 10^{-31}", False), (B("e^{-60}"), "e^{-50}", False),
    (B("\\frac{1}{e^{50}}"), "e^{-50}", True), (B("0"), "e^{-50}", False), (B("1e-17"), "0", False),
    (B("\\sin(\\pi)"), "0", True), (B("\\sqrt{3+2\\sqrt2}-1-\\sqrt2"), "0", True), (B("(1, 2.88e-19)"), "(1, 5.76e-19)", False),
    (B("E = 5.76e-19"), "2.88e-19", False), (B("2.88e-19 t"), "5.76e-19 t", False), (B("[1e-8, 1]"), "[2e-8, 1]", False),
    (B("\\{1e-8, 1\\}"), "\\{1, 2e-8\\}", False), (B("\\{1e-8, 1\\}"), "\\{1, 10^{-8}\\}", True), (B("2^{100}"), "2^{100}-1", False),
    (B("x^3-y^3-(x-y)(x^2+xy+y^2)"), "0", True), (B("y=x-1"), "x=y+1", True),
    (B("0.1+0.2-0.3"), "0", True), (B("1.41421"), "\\sqrt{2}", False), (B("10^{20}+1"), "10^{20}", False),
    # spaced digits and mixed numbers
    (B("1 1/2"), "11/2", False), (B("1 1/2"), "\\frac32", True), (B("2 3/4"), "\\frac{23}{4}", False), (B("-1 1/2"), "-\\frac32", True),
    (B("1\\,1/2"), "\\frac32", True), (B("2 \\frac34"), "\\frac{11}{4}", True), (B("7 1/2"), "3.5", False), (B("1½"), "1.5", True),
    (B("2 3"), "23", False), (B("3\\ 4"), "34", False), (B("3~4"), "34", False), (B("2 3"), "2, 3", True), (B("2 3"), "6", False),
    (B("10 000"), "10000", True), (B("10\\,000"), "10000", True), (B("1 234 567.5"), "1234567.5", True), (B("12 34"), "1234", False),
    (B("3.141 592"), "3.141592", True), (B("10, 200"), "10200", False), (B("2^3 5"), "40", True), (B("2^3 5"), "2^{35}", False),
    (B("\\frac 1 2"), "0.5", True), (B("\\binom 5 2"), "10", True),
    # bases, letter case, order
    (B("2516_7"), "2516_8", False), (B("120_9"), "120_8", False), (B("101_3"), "101_2", False), (B("1a_{16}"), "1A_{16}", True),
    (B("2516_{8}"), "2516_8", True), (B("\\pi r^2"), "\\pi R^2", False), (B("X"), "x", False), (B("2A"), "2a", False),
    (B("N+1"), "n+1", False), (B("N = 5"), "n=5", True), (B("YES"), "Yes", True), (B("\\{1,2\\}"), "(1,2)", False),
    (B("(1,2)"), "\\{1,2\\}", False), (B("x \\in \\{1,2\\}"), "(1,2)", False), (B("1,2"), "(1,2)", True),
    (B("(1,2),(3,4)"), "\\{(1,2),(3,4)\\}", True), (B("\\{\\}"), "\\emptyset", True),
    (B("\\{(1,2)\\}"), "(1,2)", True), (B("\\Delta"), "\\delta", False), (B("\\overline{AB}"), "\\overline{ab}", False),
    # other hands and units
    (B("\\varnothing"), "\\emptyset", True), (B("∅"), "\\emptyset", True), (B("√3"), "\\sqrt{3}", True), (B("2√(x+1)"), "2\\sqrt{x+1}", True),
    (B("x²"), "x^2", True), (B("10⁻³"), "0.001", True), (B("x₁+x₂"), "x_1+x_2", True), (B("–5"), "-5", True), (B("π/2"), "\\frac{\\pi}{2}", True),
    (B("(-∞, 2]"), "(-\\infty,2]", True), (B("x ≤ 3"), "x \\le 3", True), (B("2×10³"), "2000", True), (B("５"), "5", True),
    (B("10^{\\circ}C"), "10", True), (B("37^\\circ\\text{C}"), "37", True), (B("25 °C"), "25", True), (B("30^{\\circ}C"), "25", False),
    (B("4!=24"), "24", True), (B("4!=25"), "24", False), (B("√2"), "\\sqrt{3}", False), (B("x³"), "x^2", False), (B("ℝ"), "\\mathbb{R}", True),
    (B("5 cm²"), "5", True), (B("5 cm^2"), "5 \\text{ cm}^2", True), (B("6 cm²"), "5", False), (B("5m^2"), "5", False),
    (B("\\{ \\}"), "\\varnothing", True), (B("3 \\quad 4"), "3, 4", True), (B("3 \\quad 4"), "34", False), (B("1 1/2 \\text{ cups}"), "1.5", True),
    (B("5 000 \\text{ m}"), "5000", True), (B("12 : 30"), "12:30", True), (B("6.6 \\times 10^{-34}"), "6.63e-34", False), (B("[1,2]"), "(1,2)", False),
    # where the answer stands, once more
    ("The final answer is:\n\n$$\n2\n$$", "2", True), ("The answer is:\n\n**2**", "2", True), ("Thus the answer is:\n\n\\[ x = 5 \\]", "5", True),
    ("The result is obvious.\nTherefore $x=5$.", "5", True), ("The answer is not 3.\nIt is $4$.", "4", True), ("The answer is ∞.", "\\infty", True),
    ("The answer is 5. I hope that it is right.", "5", True), ("The answer is as follows:\n\n$$7$$\n\nDone.", "7", True),
    ("The answer is 5. The answer is not 6.", "6", False), ("**Answer:**\n\n$\\frac12$", "0.5", True), ("The result is even.\nDone.", "odd", False),
    # unfinished, hostile, wrong kinds
    (B("(1,2"), "(1,2)", False), (B("\\frac{}{}"), "1", False), (B("\\undefinedmacro"), "1", False),
    (B("{{{{1}}}}"), "1", True), (B("1 = 1"), "2", False), (B("???"), "5", False), (B("\\text{undefined}"), "0", False),
    (B("5 \\neq 6"), "5", False), (B("\\{5"), "5", False), (B("x"), "5", False), (B("5x"), "5", False),
]  # fmt: skip
