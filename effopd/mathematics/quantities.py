"""Units as they are written behind a number: ``cm^2``, ``miles per hour``, ``kg·m/s²``."""

from __future__ import annotations

from functools import lru_cache

from effopd.mathematics.tex import Macro, Node, Nodes, Word, spell
from effopd.mathematics.units import Unit, counted, unit_of

CURRENCIES = {"\\$": "\\$", "€": "€", "£": "£", "¥": "¥", "₹": "₹"}
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_POWERS_BEHIND = {"squared": 2, "cubed": 3}


@lru_cache(maxsize=4096)
def read_unit(nodes: Nodes) -> Unit | None:
    """The unit that all of `nodes` are; None where they are anything else."""
    nodes = tuple(node for node in nodes if node != ".")  # sq. ft.
    if nodes[:1] == ("(",) and nodes[-1:] == (")",):
        nodes = nodes[1:-1]
    words = [node.text for node in nodes if isinstance(node, Word)]
    if not words and not any(_is_sign(node) for node in nodes):
        return unit_of("mps") if spell(nodes) == "m/s" else None
    return _product(nodes) or (counted(words) if len(words) == len(nodes) else None)


def _product(nodes: Nodes) -> Unit | None:
    total: Unit | None = None
    sign, power, at = 1, 1, 0
    while at < len(nodes):
        node = nodes[at]
        at += 1
        text = node.text if isinstance(node, Word) else node if isinstance(node, str) else ""
        if text.lower() in _POWERS:
            power = _POWERS[text.lower()]
            continue
        if text in ("/", "per") and total is not None and sign == 1:
            sign = -1
            continue
        if text in ("\\cdot", "*", "\\times") and total is not None:
            continue
        found, taken = _one(nodes, at - 1)
        if found is None:
            return None
        at += taken - 1
        following = nodes[at] if at < len(nodes) else None
        if isinstance(following, Macro) and following.name == "^":
            if not (digits := spell(following.arguments[0])).removeprefix("-").isdigit() or len(digits) > 2:
                return None
            power *= int(digits)
            at += 1
        elif isinstance(following, Word) and following.text in _POWERS_BEHIND:
            power *= _POWERS_BEHIND[following.text]
            at += 1
        if power != 1 or sign != 1:
            found = found.power(power * sign)
        total = found if total is None else total.times(found)
        power = 1
    return total if power == 1 else None


def _one(nodes: Nodes, at: int) -> tuple[Unit | None, int]:
    """One unit from `at` on, and how many nodes it takes."""
    node = nodes[at]
    following = nodes[at + 1] if at + 1 < len(nodes) else None
    letter = following.text if isinstance(following, Word) else following
    match node:
        case Macro("\\frac", (above, below)):
            numerator, denominator = read_unit(above), read_unit(below)
            if numerator is None or denominator is None:
                return None, 1
            return numerator.times(denominator.power(-1)), 1
        case Word("per") if letter == "cent":
            return unit_of("%"), 2
        case Word("degree" | "degrees" | "deg") if letter in ("C", "F", "Celsius", "Fahrenheit"):
            return unit_of("°" + str(letter)[0]), 2
        case Macro("^", (("\\circ",),)) if letter in ("C", "F"):
            return unit_of("°" + str(letter)), 2
        case Word(text):
            return unit_of(text), 1
        case "\\mu" if isinstance(following, Word):
            return unit_of("μ" + following.text), 2
        case "\\Omega":
            return unit_of("Ω"), 1
        case "%" | "\\$" | "¢" | "€" | "£":
            return unit_of(str(node)), 1
        case str(text) if at and nodes[at - 1] == "/" and text in ("h", "s", "m", "L"):
            return unit_of(text), 1
        case _:
            return None, 1


def _is_sign(node: Node) -> bool:
    """Whether a node that is no word can be a unit."""
    if isinstance(node, Macro):
        return node.name == "\\frac" or node == Macro("^", (("\\circ",),))
    return node in ("%", "\\$", "¢", "€", "£", "\\Omega")
