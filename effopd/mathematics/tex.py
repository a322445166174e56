r"""TeX as a tree in one spelling: ``\frac12`` as ``\dfrac{1}{2}``, without braces, fonts, colours and space.

A tree is a tuple of nodes: a string for a sign (a number's digits, a letter, ``\pi``), `Word`, or `Macro`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from effopd.mathematics import names
from effopd.mathematics.units import BARE_UNITS, KNOWN_WORDS

DEEPEST = 60  # groups and arguments in each other


class UnreadableError(ValueError):
    """An answer, or a part of one, that is not understood; what is not understood whole is not compared."""


@dataclass(frozen=True)
class Word:
    """Letters that stand together; upright: as in ``\\text{}``, so that even one letter is no variable."""

    text: str
    upright: bool


@dataclass(frozen=True)
class Macro:
    """A command with its arguments; ``^`` and ``_`` too. A root has its degree, or nothing, before what it is of."""

    name: str
    arguments: tuple[Nodes, ...]


Node = str | Word | Macro
Nodes = tuple[Node, ...]

_TOKEN = re.compile(
    r"\\[A-Za-z]+\*?|\\.|[1-9]\d{0,2}(?:,\d{3})+(?!\d)|\d+|[A-Za-z]+|\.\.\.+|\*\*|<=|>=|!=|==|:=|\+/-|\+-|=>|->|[\s~]+|.",
    re.DOTALL,
)
_PLAIN = {
    "<=": "\\leq", ">=": "\\geq", "!=": "\\neq", "==": "=", ":=": "=", "+/-": "\\pm", "**": "^", "=>": "\\implies",
    "->": "\\rightarrow", "$": "",
}  # fmt: skip
_OPENING = {")": "(", "]": "["}
_ORDINAL = {"th", "st", "nd", "rd"}
_DIFFERENTIAL = re.compile("d[xyztuvwrsRSVA]")


@lru_cache(maxsize=65_536)  # a problem's reference answer is read for every sample
def read(text: str) -> Nodes:
    """The tree of a text. Raises `UnreadableError` where braces do not match."""
    return _Reader(text).nodes(None, upright=False)


def spell(nodes: Nodes) -> str:
    """A tree as text; equal for what means the same by the rules of TeX alone."""
    return "".join(map(_spelled, nodes))


def _spelled(node: Node) -> str:
    match node:
        case Word(text):
            return f"\\{names.FUNCTIONS[text]} " if text in names.FUNCTIONS and len(text) > 1 else text
        case Macro("group", (content,)):
            return spell(content)
        case Macro(name, arguments):
            return name + "".join(f"{{{spell(argument)}}}" for argument in arguments)
        case _ if node[0].isdigit():
            return node.replace(",", "")
        case _:
            return f"{node} " if node[0] == "\\" and node[-1].isalpha() else node


def _is_space(piece: str) -> bool:
    return piece[0] == "~" or piece[0].isspace()


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)[::-1]  # the next one is the last
        self._depth = 0

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise UnreadableError("nested too deeply")

    def nodes(self, closing: str | None, *, upright: bool) -> Nodes:
        """All nodes up to `closing`, which is taken along; the whole rest for None."""
        self._deeper()
        found: list[Node] = []
        inside = 0  # brackets of the same kind that were opened meanwhile; groups are read as a whole
        while True:
            if not self._tokens:
                if closing is not None:
                    raise UnreadableError(f"{closing} is missing")
                break
            piece = self._tokens.pop()
            if piece == closing and not inside:
                break
            inside += (piece == _OPENING.get(closing or "")) - (piece == closing)
            if piece in ("\\over", "\\choose") or (piece == "choose" and found):
                rest = self.nodes(closing, upright=upright)
                found = [Macro("\\frac" if piece == "\\over" else "\\binom", (tuple(found), rest))]
                break
            if piece == "\\rm":
                found.extend(self.nodes(closing, upright=True))
                break
            self._add(piece, found, upright)
        self._depth -= 1
        return tuple(found)

    def _add(self, piece: str, found: list[Node], upright: bool) -> None:
        if _is_space(piece):
            return
        if piece == "{":
            content = self.nodes("}", upright=upright)
            previous = found[-1] if found else None
            if isinstance(previous, str) and previous[0] == "\\" and previous[1:].isalpha():
                found.append(Macro("group", (content,)))  # it may be the argument of this command
            else:
                found.extend(content)
        elif piece == "}":
            raise UnreadableError("} without {")
        elif piece in ("^", "_", "**"):
            self._script("^" if piece != "_" else "_", found)
        elif piece[0] == "\\":
            self._command(piece, found, upright)
        elif piece.isalpha() and piece.isascii():
            self._letters(piece, found, upright)
        elif piece == "=" and found[-1:] == ["\\not"]:
            found[-1] = "\\neq"
        elif sign := _PLAIN.get(piece, piece):
            found.append("\\ldots" if sign.startswith("...") else sign)

    def _command(self, piece: str, found: list[Node], upright: bool) -> None:
        name = piece[1:].removesuffix("*") or " "
        if name in names.BLACKBOARD:
            found.append(Macro("\\mathbb", ((name,),)))
        elif name in names.DECORATIONS:
            found.extend(self._argument(upright=upright))
        elif name in names.UPRIGHT or name in names.TEXTS:
            found.extend(self._argument(upright=True))
        elif name in names.COLOURED or name in names.UNSEEN:
            self._argument(upright=True)
            if name in names.COLOURED:
                found.extend(self._argument(upright=upright))
        elif name in names.SWITCHES:
            if name in ("left", "right", "middle") and self._peek() == ".":
                self._tokens.pop()
        elif name == "begin":
            found.append(self._environment())
        elif name == "sqrt":
            found.append(self._root())
        elif name == "degree":
            found.append(Macro("^", (("\\circ",),)))
        else:
            sign = names.SAME.get(name, f"\\{name}")
            if sign in ("^", "_"):
                self._script(sign, found)
            elif (count := names.ARGUMENTS.get(sign[1:])) is not None:
                found.append(Macro(sign, tuple(self._argument(upright=upright) for _ in range(count))))
            else:
                found.append(sign)
                if found[-2:] == ["\\{", "\\}"]:
                    found[-2:] = ["\\emptyset"]
                elif found[-2:] == ["\\not", "\\in"]:
                    found[-2:] = ["\\notin"]

    def _letters(self, run: str, found: list[Node], upright: bool) -> None:
        ahead = self._peek()
        if run == "sqrt":
            found.append(self._root())
        elif run == "cbrt":
            found.append(Macro("\\sqrt", (("3",), self._argument(upright=False, bracket=True))))
        elif run == "frac" and ahead == "{":
            self._command("\\frac", found, upright)
        elif run in names.ALSO_UNITS and (upright or ahead is None or not (ahead[0] in "({\\" or ahead.isalnum())):
            found.append(Word(run, upright))
        elif run in names.PLAIN_FUNCTIONS:
            found.append(f"\\{names.FUNCTIONS[run]}")
            if run == "log" and ahead in ("2", "10") and self._tokens[-2:-1] == ["("]:
                found.append(Macro("_", ((self._tokens.pop(),),)))
        elif run in names.PLAIN_SIGNS:
            found.append(names.PLAIN_SIGNS[run])
        elif upright or run in KNOWN_WORDS or run in BARE_UNITS:
            found.append(Word(run, upright))
        elif run[:-1] in names.GLUED:
            found.extend((f"\\{run[:-1]}", run[-1]))
        elif run[1:] in names.GLUED | {"sqrt"} and ahead in ("(", "{"):
            found.append(run[0])
            self._letters(run[1:], found, upright)
        elif _DIFFERENTIAL.fullmatch(run):
            found.append(Macro("d", ((run[1],),)))
        elif len(run) > 3:
            found.append(Word(run, upright=False))
        else:
            found.extend(run)

    def _script(self, sign: str, found: list[Node]) -> None:
        argument = self._argument(upright=False, script=True)
        if sign == "^":
            if argument and all(node == "'" for node in argument):
                found.extend(argument)
                return
            match argument:
                case (Word("o", upright=True),):
                    argument = ("\\circ",)
                case ("\\top",):
                    argument = ("T",)
                case (Word(ordinal),) if ordinal in _ORDINAL and found and str(found[-1]).isdigit():
                    return
        macro = Macro(sign, (argument,))
        if sign == "_" and found and isinstance(found[-1], Macro) and found[-1].name == "^":
            found.insert(-1, macro)
        else:
            found.append(macro)

    def _argument(self, *, upright: bool, script: bool = False, bracket: bool = False) -> Nodes:
        """A group's content, or the next sign: a digit or letter, of a script also a whole number and its minus."""
        self._deeper()
        found: list[Node] = []
        piece = self._next()
        if piece == "{":
            found.extend(self.nodes("}", upright=upright))
        elif piece == "(" and (script or bracket):
            found.extend(self.nodes(")", upright=upright))
        elif piece == "-" and script:
            found.extend(("-", *self._argument(upright=upright, script=True)))
        elif piece.isdigit() and script:
            found.append(piece)
            if self._tokens[-1:] == ["."] and "".join(self._tokens[-2:-1]).isdigit():
                found.extend((self._tokens.pop(), self._tokens.pop()))
        elif piece in ("^", "_", "}", "&"):
            raise UnreadableError("an argument is missing")
        else:
            if (
                piece.isalnum()
                and piece.isascii()
                and not (upright or bracket or piece in names.PLAIN_SIGNS)
                and piece[1:]
            ):
                self._tokens.append(piece[1:])
                piece = piece[0]
            self._add(piece, found, upright)
        self._depth -= 1
        return tuple(found)

    def _root(self) -> Node:
        degree: Nodes = ()
        if self._peek() == "[":
            self._next()
            degree = self.nodes("]", upright=False)
        plain = self._peek() == "("  # sqrt(2), and √2 in plain text
        content = self._argument(upright=False, bracket=plain)
        return Macro("\\sqrt", (degree, content))

    def _environment(self) -> Node:
        """The rows of a matrix, or of anything that is laid out like one."""
        name = spell(self._argument(upright=True))
        if name == "array":
            self._argument(upright=True)  # how its columns are aligned
        rows: list[Node] = []
        cells: list[Nodes] = []
        cell: list[Node] = []
        while True:
            piece = self._next()
            if piece in ("&", "\\\\", "\\end"):
                cells.append(tuple(cell))
                cell = []
                if piece != "&":
                    rows.append(Macro("row", tuple(cells)))
                    cells = []
                if piece == "\\end":
                    break
            else:
                self._add(piece, cell, upright=False)
        if spell(self._argument(upright=True)) != name:
            raise UnreadableError(f"\\end{{{name}}} is missing")
        if rows[-1] == Macro("row", ((),)):
            rows.pop()
        return Macro("matrix" if name in names.MATRICES else f"\\begin {name}", (tuple(rows),))

    def _peek(self) -> str | None:
        """The next sign that is no space; spaces before it are dropped."""
        while self._tokens and _is_space(self._tokens[-1]):
            self._tokens.pop()
        return self._tokens[-1] if self._tokens else None

    def _next(self) -> str:
        if self._peek() is None:
            raise UnreadableError("an argument is missing")
        return self._tokens.pop()
