"""An answer as its author wrote it, without what stands around the mathematics, and in one spelling."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import takewhile

from effopd.mathematics.formula import Formula
from effopd.mathematics.names import words
from effopd.mathematics.notation import standard
from effopd.mathematics.reader import read_formula
from effopd.mathematics.tex import Nodes, UnreadableError, Word, read, spell

_LEADING = words("= : \\approx \\simeq \\sim \\equiv \\cong \\doteq \\therefore \\implies")
_TRAILING = words(", ; : . \\\\ \\checkmark \\blacksquare")
_ROUGHLY = frozenset({"about", "approximately", "roughly", "exactly", "approx", "circa", "nearly"})
_SAID = re.compile(
    r"^(?:so|thus|hence|therefore|then)?(?:the)?(?:final|correct)?(?:answer|result|solution|value)s?(?:is|are|equals)?$"
)


@lru_cache(maxsize=65_536)
def tree(answer: str) -> Nodes:
    """An answer as TeX's tree, without “≈” before it and a full stop behind it. Raises `UnreadableError`."""
    return _trimmed(read(standard(answer)))


def canonical(answer: str) -> str:
    """An answer without what changes its looks but not its meaning."""
    try:
        return spell(tree(answer))
    except UnreadableError:
        return "".join(answer.split())


def formula(answer: str) -> Formula:
    """What an answer says. Raises `UnreadableError` where any part of it is not understood."""
    try:
        return read_formula(tree(answer))
    except RecursionError:
        raise UnreadableError("nested too deeply") from None


def _trimmed(nodes: Nodes) -> Nodes:
    first, last = 0, len(nodes)
    while first < last:
        node = nodes[first]
        if _denies(nodes[first : first + 2]):
            break
        if node in _LEADING or (isinstance(node, Word) and node.text.lower() in _ROUGHLY):
            first += 1
        elif isinstance(node, Word) and (length := _announcing(nodes[first:last])):
            first += length
        else:
            break
    while last > first and nodes[last - 1] in _TRAILING:
        last -= 1
    return nodes[first:last] or nodes


def _denies(nodes: Nodes) -> bool:
    r"""Whether ``\sim`` is that of logic: ``\sim p``, ``\sim(p \land q)``."""
    match nodes:
        case ("\\sim", str(following)):
            return following[0].isalpha() or following in ("(", "\\sim")
    return False


def _announcing(nodes: Nodes) -> int:
    """How many words at the beginning say that the answer follows."""
    said = [node.text.lower() if isinstance(node, Word) else "" for node in nodes[:6]]
    said = list(takewhile(bool, said))
    return next((length for length in range(len(said), 0, -1) if _SAID.match("".join(said[:length]))), 0)
