r"""The names that mathematics goes by, in LaTeX and in plain text: letters, functions, signs, and what only decorates.

Commands of LaTeX stand here without their backslash.
"""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GREEK = words(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi chi "
    "psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
LETTERS = GREEK | {"ell", "hbar", "aleph", "beth", "wp"}

FUNCTIONS = {
    name: name
    for name in words(
        "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth sech csch arsinh arcosh "
        "artanh ln log lg exp abs sgn floor ceil max min gcd lcm det dim ker deg arg rank tr Re Im erf Pr Var Cov"
    )
} | {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "acot": "arccot", "asec": "arcsec", "acsc": "arccsc",
    "asinh": "arsinh", "acosh": "arcosh", "atanh": "artanh", "arcsinh": "arsinh", "arccosh": "arcosh",
    "arctanh": "artanh", "tg": "tan", "ctg": "cot", "cosec": "csc", "arctg": "arctan", "trace": "tr", "Tr": "tr",
    "sign": "sgn", "ceiling": "ceil", "Log": "log", "Ln": "ln",
}  # fmt: skip
OF_SEVERAL = frozenset({"max", "min", "gcd", "lcm"})
WITH_VALUES = OF_SEVERAL | words(  # the others are only named, as dim
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth sech csch arsinh arcosh "
    "artanh ln log exp abs sgn floor ceil erf"
)
INVERTIBLE = words("sin cos tan cot sec csc sinh cosh tanh")  # by an exponent of -1
FUNCTION_LETTERS = words("f g h F G H J \\phi \\psi \\Phi \\Psi \\Gamma \\zeta \\delta \\chi \\wp")
EXPECTATIONS = frozenset({"E", "P", "\\mathbb{E}", "\\mathbb{P}"})
BIG_OPERATORS = words("sum prod int iint iiint oint lim limsup liminf sup inf bigcup bigcap bigoplus")
ATOMS = (  # commands that begin a factor
    FUNCTIONS.keys() | LETTERS | BIG_OPERATORS | words("infty emptyset angle triangle lfloor lceil langle |")
)

# Runs of letters that are no product of variables in plain text either.
PLAIN_FUNCTIONS = frozenset(FUNCTIONS) - {"arg", "deg", "det", "dim", "ker", "rank", "tr", "Re", "Im", "tg", "lg"}
PLAIN_SIGNS = {name: f"\\{name}" for name in GREEK} | dict.fromkeys(
    ("infinity", "Infinity", "infty", "inf", "oo"), "\\infty"
)
GLUED = words("sin cos tan cot sec csc ln log exp sinh cosh tanh")  # sinx
ALSO_UNITS = frozenset({"sec", "min", "deg"})

# What is written in several ways and means the same.
SAME = {
    "dfrac": "\\frac", "tfrac": "\\frac", "cfrac": "\\frac", "dbinom": "\\binom", "tbinom": "\\binom", "le": "\\leq",
    "leqslant": "\\leq", "leqq": "\\leq", "ge": "\\geq", "geqslant": "\\geq", "geqq": "\\geq", "ne": "\\neq",
    "lt": "<", "gt": ">", "lvert": "|", "rvert": "|", "vert": "|", "lVert": "\\|", "rVert": "\\|", "Vert": "\\|",
    "lbrace": "\\{", "rbrace": "\\}", "lbrack": "[", "rbrack": "]", "varnothing": "\\emptyset", "wedge": "\\land",
    "vee": "\\lor", "lnot": "\\neg", "prime": "'", "dots": "\\ldots", "cdots": "\\ldots", "dotsc": "\\ldots",
    "dotsb": "\\ldots", "colon": ":", "coloneqq": "=", "coloneq": "=", "to": "\\rightarrow",
    "longrightarrow": "\\rightarrow", "Longrightarrow": "\\implies", "Rightarrow": "\\implies", "ast": "*",
    "varepsilon": "\\epsilon", "varphi": "\\phi", "vartheta": "\\theta", "uppi": "\\pi", "infin": "\\infty",
    "overline": "\\bar", "widehat": "\\hat", "widetilde": "\\tilde", "overrightarrow": "\\vec",
    "backslash": "\\setminus", "smallsetminus": "\\setminus", "intercal": "\\top", "sp": "^", "sb": "_",
    "Bbb": "\\mathbb", "imath": "i", "jmath": "j", "cdotp": "\\cdot", "square": "\\blacksquare",
    "Box": "\\blacksquare", "qed": "\\blacksquare", "asymp": "\\approx", "thickapprox": "\\approx", "tg": "\\tan",
    "ctg": "\\cot", "arctg": "\\arctan", "cosec": "\\csc", "%": "%",
}  # fmt: skip
BLACKBOARD = frozenset("CNQRZ")  # \R for \mathbb{R}

# What changes looks alone: with an argument that stays, with one that goes, and with none.
DECORATIONS = words(
    "mathbf mathit mathsf mathtt mathnormal bold boldsymbol bm pmb underline fbox boxed ensuremath underbrace "
    "overbrace mathinner mathord mathop mathbin mathrel mathopen mathclose mathpunct smash"
)
UPRIGHT = words("mathrm operatorname mathup")
TEXTS = words("text textbf textit textrm textsf texttt textup textnormal textmd textsl textsc emph mbox hbox")
COLOURED = words("textcolor colorbox")
UNSEEN = words("phantom vphantom hphantom hspace vspace label tag color")
SWITCHES = words(
    "left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm displaystyle textstyle "
    "scriptstyle limits nolimits bf it sf tt em sl sc bfseries itshape normalsize large Large LARGE huge Huge small "
    "tiny footnotesize quad qquad thinspace enspace space hfill mathstrut strut null nonumber relax "
    ", ; : ! > /"
) | {" ", "\n", "\t"}

ARGUMENTS = {
    "frac": 2, "binom": 2, "bar": 1, "hat": 1, "tilde": 1, "vec": 1, "dot": 1, "ddot": 1, "mathbb": 1, "mathcal": 1,
    "mathfrak": 1, "mathscr": 1,
}  # fmt: skip
MATRICES = words("matrix pmatrix bmatrix Bmatrix smallmatrix array")
