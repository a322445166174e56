r"""From TeX's tree to what it says, by recursive descent: every node is understood, or nothing is.

Where mathematics has two readings, the one is taken that equals less: ``f(x)`` is no product, and transposes,
conjugates and inverses in products of matrices are not read at all, since for them order matters.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from effopd.mathematics import build, names
from effopd.mathematics.cursor import (
    CLOSING,
    RELATIONS,
    SIGNS,
    Cursor,
    is_derivative,
    is_order,
    take_big_operator,
    take_figure,
    take_join,
    take_number,
    unit_length,
)
from effopd.mathematics.formula import (
    MINUS_ONE,
    Bracketed,
    Builder,
    Collection,
    Constant,
    Formula,
    Function,
    Listing,
    Matrix,
    Number,
    PlusMinus,
    Power,
    Quantity,
    Relation,
    SetOperation,
    Sum,
    Symbol,
    separate,
)
from effopd.mathematics.quantities import CURRENCIES, read_unit
from effopd.mathematics.tex import Macro, Node, Nodes, UnreadableError, Word, spell
from effopd.mathematics.units import BARE_UNITS, NOTHING, NUMBERS, SIZES, unit_of

_TIMES = frozenset({"\\cdot", "\\times", "*"})


@lru_cache(maxsize=65_536)
def read_formula(nodes: Nodes) -> Formula:
    """What a whole tree says. Raises `UnreadableError` where a part of it is not understood."""
    return build.numeral(nodes) or _whole(Cursor(nodes))


def _whole(cursor: Cursor) -> Formula:
    formula = _listing(cursor)
    if rest := cursor.ahead():
        raise UnreadableError(f"{spell(rest)!r} is not understood")
    return formula


def _inner(cursor: Cursor, nodes: Nodes) -> Formula:
    """The whole of an argument, a script or a cell."""
    return _whole(Cursor(nodes, (*cursor.inside, "{")))


# From the outside in: lists, relations, quantities, sums, products, factors, atoms.


def _listing(cursor: Cursor) -> Formula:
    items, joins = [_relation(cursor)], set()
    while join := take_join(cursor):
        joins.add(join)
        items.append(_relation(cursor))
    if {"and", "or"} <= joins:
        raise UnreadableError("“and” beside “or”")
    return items[0] if len(items) == 1 else Listing(tuple(items), max(joins))


def _relation(cursor: Cursor) -> Formula:
    sides, operators = [_quantity(cursor)], []
    while cursor.peek() in RELATIONS:
        operators.append(str(cursor.take()))
        sides.append(_quantity(cursor))
    return Relation(tuple(operators), tuple(sides)) if operators else sides[0]


def _quantity(cursor: Cursor) -> Formula:
    """A value with its sign of money before it, and a word of size and a unit behind it."""
    if cursor.inside:
        return _operation(cursor)
    below_zero = cursor.peek(1) in CURRENCIES and cursor.skip("-")
    unit = unit_of(str(cursor.take())) if cursor.peek() in CURRENCIES else None
    value = _operation(cursor)
    if below_zero:
        value = build.negative(value)
    while isinstance(node := cursor.peek(), Word) and (size := SIZES.get(node.text.lower())):
        cursor.take()
        value = build.product([value, Number(Fraction(size))])
    if length := unit_length(cursor):
        behind = read_unit(tuple(cursor.take() for _ in range(length)))
        if (unit is not None and behind != unit) or isinstance(build.with_its_sign(value), Quantity):
            raise UnreadableError("two units")
        unit = behind
    if unit is None:
        return build.with_its_sign(value)
    return value if unit == NOTHING else Quantity(value, unit)


def _operation(cursor: Cursor) -> Formula:
    left = _sum(cursor)
    while cursor.peek() in ("\\cup", "\\cap", "\\setminus"):
        name = str(cursor.take())[1:]
        left = SetOperation(name, left, _sum(cursor))
    return left


def _sum(cursor: Cursor) -> Formula:
    terms: list[Formula] = []
    while cursor.peek() in SIGNS or not terms:
        sign = cursor.take() if cursor.peek() in SIGNS else ""
        term = _product(cursor)
        if sign in ("\\pm", "\\mp") or (sign == "+-" and not terms):
            terms.append(PlusMinus(term, -1 if sign == "\\mp" else 1))
        elif sign == "-" and terms and isinstance(term, Collection):
            terms = [SetOperation("setminus", build.total(terms), term)]
        else:
            terms.append(build.negative(term) if sign in ("-", "+-") else term)
    return build.total(terms)


def _product(cursor: Cursor) -> Formula:
    factors = [_factor(cursor)]
    while (node := cursor.peek()) is not None:
        if node in _TIMES or node in ("/", "\\div"):
            cursor.take()
            below_zero = cursor.skip("-")
            factor = _factor(cursor)
            factors.append(factor if node in _TIMES else Power(factor, MINUS_ONE))
            if below_zero:
                factors.append(MINUS_ONE)
        elif _starts_factor(cursor, node):
            follows = isinstance(cursor.last, Macro) or cursor.last in CLOSING or cursor.last == "!"
            if isinstance(node, str) and (node[0].isdigit() or node == ".") and not follows:
                raise UnreadableError("a number behind a number or a letter")
            factors.append(_factor(cursor))
        else:
            break
    return build.product(factors)


def _starts_factor(cursor: Cursor, node: Node) -> bool:
    """Whether a node is a factor of the product before it, rather than its unit, its end, or a sign."""
    if isinstance(node, Word):
        text = node.text.lower()
        return text not in ("and", "or") and (bool(cursor.inside) or (text not in SIZES and not unit_length(cursor)))
    if isinstance(node, Macro):
        return node.name not in ("^", "_") and not (node.name == "\\frac" and unit_length(cursor))
    if node in ("|", "\\|"):
        return cursor.inside[-1:] not in ([node], ["\\{"])
    if node == "[" and (cursor.inside[-1:] == ["]"] or cursor.peek(1) in (None, "\\cup", "\\cap", "\\setminus")):
        return False  # ]2, 3[
    if node in ("C", "F", "\\Omega", "\\mu", "m", "(") and unit_length(cursor):
        return False
    return node[0].isalnum() or node in ("(", "[", "\\{", ".") or node[1:] in names.ATOMS


def _factor(cursor: Cursor) -> Formula:
    start = cursor.mark()
    base = _atom(cursor)
    while (node := cursor.peek()) is not None:
        if isinstance(node, Macro) and node.name == "^":
            if node.arguments[0] == ("\\circ",) and cursor.peek(1) is not None and unit_length(cursor):
                break  # 20 °C
            cursor.take()
            base = _raised(cursor, base, node.arguments[0])
        elif cursor.skip("!"):
            base = Function("factorial2" if cursor.skip("!") else "factorial", (base,), known=True)
        elif cursor.skip("%"):
            base = build.product([base, Constant("percent")])
        elif node == "'" or (isinstance(node, Macro) and node.name == "_"):
            raise UnreadableError(f"{spell((*cursor.since(start), node))!r} is not understood")
        else:
            break
    return base


def _raised(cursor: Cursor, base: Formula, script: Nodes) -> Formula:
    mark = spell(script).strip()
    if mark == "\\circ" and not isinstance(base, Symbol):
        return build.product([base, Constant("degree")])
    if build.is_marked(base, mark):
        raise UnreadableError("a transposed, conjugated or otherwise marked factor")
    if isinstance(base, Symbol) and base.name[0].isupper() and mark == "-1":
        return Function("inverse", (base,), known=True)
    return Power(base, _inner(cursor, script))


def _atom(cursor: Cursor) -> Formula:
    node = cursor.peek()
    if isinstance(node, str):
        name = node[1:]
        if node[0].isdigit() or node == ".":
            return take_number(cursor)
        if name in names.BIG_OPERATORS:
            return take_big_operator(cursor)
        if name in ("angle", "triangle"):
            return take_figure(cursor)
    node = cursor.take()
    if isinstance(node, Word):
        return _word(cursor, node)
    if isinstance(node, Macro):
        return _macro(cursor, node)
    if node[0].isalpha() or node[1:] in names.LETTERS:
        return _letter(cursor, node)
    if node in ("(", "[", "]"):
        return _bracketed(cursor, node)
    if node == "\\{":
        return _set(cursor)
    if node in ("|", "\\|"):
        return _between(cursor, node, node, "abs" if node == "|" else "norm")
    if name in ("lfloor", "lceil"):
        return _between(cursor, node, f"\\r{name[1:]}", name[1:])
    if name == "langle":
        return Bracketed("(", _items(cursor, "\\rangle"), ")")
    if name in names.FUNCTIONS:
        return _function(cursor, name)
    if name in ("infty", "emptyset"):
        return Constant("infinity") if name == "infty" else Collection(())
    raise UnreadableError(f"{node!r} is not understood")


def _letter(cursor: Cursor, node: str) -> Formula:
    following = cursor.peek()
    if node in ("e", "i", "\\pi") and not (isinstance(following, Macro) and following.name == "_"):
        return Constant(node.strip("\\"))
    return _named(cursor, node, upright=False)


def _word(cursor: Cursor, word: Word) -> Formula:
    if (number := NUMBERS.get(word.text.lower())) is not None:
        return Number(Fraction(number))
    if len(word.text) == 1:
        return _letter(cursor, word.text)
    if not word.upright and word.text in BARE_UNITS:  # where no unit can stand, a product
        cursor.put_back(list(word.text))
        return _letter(cursor, str(cursor.take()))
    if word.text in names.FUNCTIONS:
        return _function(cursor, names.FUNCTIONS[word.text])
    return _named(cursor, word.text, upright=True)


def _named(cursor: Cursor, name: str, *, upright: bool) -> Formula:
    """A variable with its index and primes, or a function by that name where it is applied to something."""
    marked = name in names.FUNCTION_LETTERS or upright
    while (node := cursor.peek()) is not None:
        primed = node == "'" or (isinstance(node, Macro) and node.name == "^" and is_order(node.arguments[0]))
        if not primed and not (isinstance(node, Macro) and node.name == "_"):
            break
        marked |= primed
        name += spell((cursor.take(),))
    if marked and node == Macro("^", (("-", "1"),)) and cursor.peek(1) == "(":
        name += spell((cursor.take(),))
    begin = cursor.mark()
    if cursor.skip("["):
        arguments = _items(cursor, "]")
        if name in names.EXPECTATIONS or not isinstance(arguments[0], Sum):
            return Function(f"{name}[]", arguments, known=False)
    elif cursor.skip("("):
        arguments = _items(cursor, ")")
        if marked or len(arguments) > 1 or not build.is_compound(arguments[0]):
            known = {"\\Gamma": "gamma", "\\zeta": "zeta"}.get(name) if len(arguments) == 1 else None
            return Function(known or name, arguments, known=known is not None)
    cursor.back_to(begin)
    return Symbol(name)


def _macro(cursor: Cursor, macro: Macro) -> Formula:
    match macro.name, macro.arguments:
        case "\\frac", (above, below):
            if is_derivative(above, below):
                return Symbol(spell((macro,)))
            return build.product([_inner(cursor, above), Power(_inner(cursor, below), MINUS_ONE)])
        case "\\sqrt", (degree, content):
            root = _inner(cursor, degree) if degree else Number(Fraction(2))
            return Power(_inner(cursor, content), Power(root, MINUS_ONE))
        case "\\binom", (above, below):
            return Function("binom", (_inner(cursor, above), _inner(cursor, below)), known=True)
        case "group", (content,):
            return _inner(cursor, content)
        case "d", ((letter,),):
            return _named(cursor, f"d{letter}", upright=False)
        case "matrix", (rows,):
            cells = [row.arguments for row in rows if isinstance(row, Macro)]
            if not cells or any(len(row) != len(cells[0]) for row in cells):
                raise UnreadableError("the rows of a matrix differ in length")
            return Matrix(tuple(tuple(_inner(cursor, cell) for cell in row) for row in cells))
        case name, (_,) if name[1:] in names.ARGUMENTS:
            return _named(cursor, spell((macro,)), upright=False)
    raise UnreadableError(f"{spell((macro,))!r} is not understood")


def _bracketed(cursor: Cursor, opening: str) -> Formula:
    """Brackets around one expression, a tuple or an interval; ``]2, 3[`` and ``[2, 3[`` too."""
    content = _enclosed(cursor, opening)
    closing = cursor.take()
    if opening == "]":
        opening = "("
        if closing not in ("[", "]") or len(separate(content)) != 2:
            raise UnreadableError("] before it is opened")
    if closing == "[":
        closing = ")"
    if closing not in (")", "]"):
        raise UnreadableError(f"{opening} is not closed")
    if isinstance(content, Listing) and content.joined == ",":
        return Bracketed(opening, content.items, str(closing))
    if f"{opening}{closing}" not in ("()", "[]") or isinstance(content, Listing | Relation):
        raise UnreadableError("brackets around what needs none")
    return content


def _set(cursor: Cursor) -> Formula:
    cursor.inside.append("\\{")
    content = _listing(cursor)
    if cursor.skip("|", ":", "\\mid"):
        content = Builder(content, _listing(cursor))
    cursor.inside.pop()
    cursor.close("\\}")
    return content if isinstance(content, Builder) else Collection(separate(content))


def _between(cursor: Cursor, opening: str, closing: str, name: str) -> Formula:
    cursor.inside.append(opening)
    content = _sum(cursor)
    cursor.inside.pop()
    cursor.close(closing)
    following = cursor.peek()
    if name == "norm" and isinstance(following, Macro) and following.name == "_":
        name += spell((cursor.take(),))
    return Function(name, (content,), known=name in names.WITH_VALUES)


def _items(cursor: Cursor, closing: str) -> tuple[Formula, ...]:
    content = _enclosed(cursor, closing)
    cursor.close(closing)
    return separate(content)


def _enclosed(cursor: Cursor, bracket: str) -> Formula:
    cursor.inside.append(bracket)
    content = _listing(cursor)
    cursor.inside.pop()
    return content


def _function(cursor: Cursor, name: str) -> Formula:
    scripts: dict[str, Nodes] = {}
    while isinstance(node := cursor.peek(), Macro) and node.name in ("_", "^"):
        cursor.take()
        scripts[node.name] = node.arguments[0]
    if "_" in scripts and name != "log":
        raise UnreadableError(f"\\{name} with an index is not understood")
    if cursor.skip("("):
        arguments = _items(cursor, ")")
    elif name in names.OF_SEVERAL and cursor.skip("\\{"):
        arguments = _items(cursor, "\\}")
    elif node == "[" or (isinstance(node, Macro) and node.name == "group"):
        arguments = (_atom(cursor),)
    else:
        arguments = (_bare_argument(cursor),)
    if name in names.WITH_VALUES and (len(arguments) > 1) != (name in names.OF_SEVERAL):
        raise UnreadableError(f"\\{name} of {len(arguments)} arguments")
    if scripts.get("^") == ("-", "1") and name in names.INVERTIBLE:
        name, scripts = f"ar{name}" if name[-1] == "h" else f"arc{name}", {}
    if name == "exp":
        result: Formula = Power(Constant("e"), arguments[0])
    elif name == "lg" or "_" in scripts:
        base = _inner(cursor, scripts["_"]) if "_" in scripts else Number(Fraction(10))
        result = build.logarithm(base, arguments)
    else:
        result = Function(name, arguments, known=name in names.WITH_VALUES)
    return Power(result, _inner(cursor, scripts["^"])) if "^" in scripts else result


def _bare_argument(cursor: Cursor) -> Formula:
    r"""What a function without brackets is applied to: ``\sin 2x``, ``\ln\ln x``, up to the next function."""
    factors = [_factor(cursor)]
    while (node := cursor.peek()) is not None and not isinstance(factors[-1], Function):
        function = isinstance(node, str) and node[1:] in names.FUNCTIONS
        if function or node in ("(", "[", "\\{", "|") or not _starts_factor(cursor, node):
            break
        if isinstance(node, str) and node[0].isdigit():
            raise UnreadableError("a number behind a letter")
        factors.append(_factor(cursor))
    return build.product(factors)
