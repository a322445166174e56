"""A place in TeX's tree, and what is read there without looking into it: numbers, units, figures, integrals."""

from __future__ import annotations

import re
from fractions import Fraction

from effopd.mathematics.formula import Formula, Number, Symbol
from effopd.mathematics.names import words
from effopd.mathematics.quantities import read_unit
from effopd.mathematics.tex import Macro, Node, Nodes, UnreadableError, Word, spell

RELATIONS = words(
    "= < > \\leq \\geq \\neq \\approx \\simeq \\sim \\equiv \\cong \\in \\notin \\subset \\subseteq \\supset "
    "\\supseteq \\propto \\perp \\parallel \\mapsto \\rightarrow \\implies \\iff \\ll \\gg \\succeq \\preceq \\doteq"
)
SIGNS = frozenset({"+", "-", "\\pm", "\\mp", "+-"})
OPENING = frozenset({"(", "[", "\\{"})
CLOSING = frozenset({")", "]", "\\}", "\\rfloor", "\\rceil", "\\rangle"})
_JOINS = {",": ",", ";": ",", "\\land": "and", "\\lor": "or"}


class Cursor:
    """Nodes, the place among them, and the brackets that are open there; a script or a cell counts as one."""

    def __init__(self, nodes: Nodes, inside: tuple[str, ...] = ()) -> None:
        self._nodes = list(nodes)
        self._at = 0
        self.inside = list(inside)

    @property
    def last(self) -> Node | None:
        """The node that was taken last."""
        return self._nodes[self._at - 1] if self._at else None

    def peek(self, ahead: int = 0) -> Node | None:
        return self._nodes[self._at + ahead] if self._at + ahead < len(self._nodes) else None

    def take(self) -> Node:
        """The next node. Raises where there is none."""
        if self._at == len(self._nodes):
            raise UnreadableError("something is missing at the end")
        self._at += 1
        return self._nodes[self._at - 1]

    def skip(self, *signs: str) -> bool:
        """Take the next node if it is one of these."""
        found = self.peek() in signs
        self._at += found
        return found

    def close(self, closing: str) -> None:
        if self.take() != closing:
            raise UnreadableError(f"{closing} is missing")

    def mark(self) -> int:
        return self._at

    def back_to(self, mark: int) -> None:
        self._at = mark

    def since(self, mark: int) -> Nodes:
        return tuple(self._nodes[mark : self._at])

    def ahead(self, length: int | None = None) -> Nodes:
        """The next `length` nodes, or all that are left."""
        return tuple(self._nodes[self._at :][:length])

    def put_back(self, nodes: list[str]) -> None:
        """Nodes instead of the one that was taken last."""
        self._at -= 1
        self._nodes[self._at : self._at + 1] = nodes


def take_join(cursor: Cursor) -> str | None:
    """Whether items of a list are joined here: by `,`, `and` or `or`; None at the end of the list."""
    found = None
    while (node := cursor.peek()) is not None:
        word = node.text.lower() if isinstance(node, Word) else ""
        join = word if word in ("and", "or") else _JOINS.get(node) if isinstance(node, str) else None
        if join is None:
            break
        found = join if found in (None, ",") else found
        cursor.take()
    return found


def unit_length(cursor: Cursor) -> int:
    """How many nodes from here to the end of this item are a unit; 0 where they are none, or inside brackets."""
    length = 0
    while not cursor.inside and (node := cursor.peek(length)) is not None:
        if node in RELATIONS or node in _JOINS or (isinstance(node, Word) and node.text in ("and", "or")):
            break
        length += 1
    return length if length and read_unit(cursor.ahead(length)) else 0


def take_number(cursor: Cursor) -> Formula:
    """A number: ``1,234.5``, ``.5``, ``0.1\\overline{6}``, or ``1\\frac{1}{2}``, which is one and a half."""
    node = str(cursor.take())
    if "," in node and cursor.inside:  # (1,234) has two coordinates
        cursor.put_back([part for group in node.split(",") for part in (group, ",")][:-1])
        node = str(cursor.take())
    whole = "" if node == "." else node.replace(",", "")
    decimals = ""
    if whole and cursor.peek() == "." and cursor.peek(1) in ("/", "*", "+", "-"):
        cursor.take()  # 1./3
    elif not whole or (cursor.peek() == "." and (_is_digits(cursor.peek(1)) or _is_repeating(cursor.peek(1)))):
        if whole:
            cursor.take()
        if _is_digits(cursor.peek()):
            decimals = str(cursor.take()).replace(",", "")
        elif not _is_repeating(cursor.peek()):
            raise UnreadableError("a point without a digit behind it")
    if decimals and cursor.peek() == "\\ldots":
        cursor.take()
        return Number(_continued(whole, decimals))
    value = Fraction(int(whole or "0") * 10 ** len(decimals) + int(decimals or "0"), 10 ** len(decimals))
    following = cursor.peek()
    if isinstance(following, Macro) and _is_repeating(following) and (decimals or cursor.last == "."):
        cursor.take()
        repeated = spell(following.arguments[0])
        return Number(value + Fraction(int(repeated), (10 ** len(repeated) - 1) * 10 ** len(decimals)))
    if isinstance(following, Macro) and following.name == "\\frac" and not decimals:
        above, below = following.arguments
        if len(above) == len(below) == 1 and _is_digits(above[0]) and _is_digits(below[0]):
            numerator, denominator = int(spell(above)), int(spell(below))
            if numerator < denominator:
                cursor.take()
                return Number(value + Fraction(numerator, denominator))
    return Number(value, len(decimals))


def _continued(whole: str, decimals: str) -> Fraction:
    """The value of ``0.1666...``, whose last digits show what repeats. Raises where they do not."""
    if match := re.fullmatch(r"(\d*?)(\d)\2\2+|(\d*?)(\d{2,}?)\4+", decimals):
        fixed, repeated = (match[1], match[2]) if match[2] else (match[3], match[4])
        return Fraction(
            int(f"{whole or 0}{fixed}") * (10 ** len(repeated) - 1) + int(repeated),
            10 ** len(fixed) * (10 ** len(repeated) - 1),
        )
    raise UnreadableError("a decimal number that goes on")


def take_figure(cursor: Cursor) -> Formula:
    """An angle or a triangle by its corners."""
    name = str(cursor.take())
    while isinstance(corner := cursor.peek(), str) and corner.isalpha() and corner.isupper():
        name += str(cursor.take())
    if name[-1].islower():
        raise UnreadableError(f"{name} of nothing")
    return Symbol(name)


def take_big_operator(cursor: Cursor) -> Formula:
    """A sum, an integral or a limit, as a name of its own: equal to what is written alike alone.

    An integral ends behind its last differential, the others before the next sign.
    """
    start, depth = cursor.mark(), 0
    integral = "int" in str(cursor.take())
    while (node := cursor.peek()) is not None:
        depth += (node in OPENING) - (node in CLOSING)
        if depth < 0 or (not depth and (node in (",", ";") or node in RELATIONS or isinstance(node, Word))):
            break
        if not depth and not integral and node in SIGNS and not isinstance(cursor.last, Macro | None):
            break
        cursor.take()
        if integral and _begins_differential(node):
            if node == "d":
                cursor.take()
            if not _begins_differential(cursor.peek()):
                break
    return Symbol(spell(cursor.since(start)))


def is_derivative(above: Nodes, below: Nodes) -> bool:
    """Whether a fraction is one of differentials."""
    return all(
        len(part) > 0 and (_begins_differential(part[0]) or part[0] == "\\partial") for part in (above, below)
    ) and (len(below) > 1 or isinstance(below[0], Macro))


def is_order(script: Nodes) -> bool:
    """Whether a superscript counts derivatives: ``f^{(4)}``."""
    order = script[1:-1]
    counted = all(isinstance(node, str) and (node.isalnum() or node in ("+", "-")) for node in order)
    return len(order) > 0 and counted and script[0] == "(" and script[-1] == ")"


def _begins_differential(node: Node | None) -> bool:
    return node == "d" or (isinstance(node, Macro) and node.name == "d")


def _is_digits(node: Node | None) -> bool:
    return isinstance(node, str) and node[0].isdigit() and node.isascii()


def _is_repeating(node: Node | None) -> bool:
    """Whether a node is digits under a bar."""
    return (
        isinstance(node, Macro)
        and node.name == "\\bar"
        and len(node.arguments[0]) == 1
        and _is_digits(node.arguments[0][0])
    )
