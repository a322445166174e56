"""Draw the house from the code into docs/architecture.md: rooms, what they are for, their lines, who imports whom.

`make house` writes, `--check` names what has changed. What a room is for is the first sentence of its `__init__.py`.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/architecture.md"
FLOORS = ("pipeline", "stages", "effopd")
LIBRARY = "effopd"
BEGIN, END = "<!-- drawn by `make house` -->", "<!-- end of the drawing -->"


def rooms() -> dict[str, Path]:
    """The floors above the library, and the library's packages; its single modules are no rooms."""
    packages = sorted(file.parent for file in (ROOT / LIBRARY).glob("*/__init__.py"))
    return {floor: ROOT / floor for floor in FLOORS if floor != LIBRARY} | {path.name: path for path in packages}


def arrows() -> set[tuple[str, str]]:
    """Pairs of rooms of which the first imports the second."""
    sys.path.insert(0, str(ROOT))
    graph = grimp.build_graph(*FLOORS, cache_dir=None)
    found = set()
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            pair = room_of(module), room_of(other)
            if None not in pair and pair[0] != pair[1]:
                found.add((str(pair[0]), str(pair[1])))
    return found


def room_of(module: str) -> str | None:
    floor, _, below = module.partition(".")
    if floor != LIBRARY:
        return floor
    room = below.partition(".")[0]
    return room if (ROOT / LIBRARY / room).is_dir() and room else None


def reduced(pairs: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The arrows that no way through other rooms stands for."""
    below: dict[str, set[str]] = {}
    for room, other in pairs:
        below.setdefault(room, set()).add(other)

    def reached(room: str) -> set[str]:
        others = below.get(room, set())
        return others.union(*(reached(other) for other in others))

    return sorted((a, b) for a, b in pairs if not any(b in reached(c) for c in below[a] - {b}))


def purpose(folder: Path) -> str:
    """The first sentence of the package's docstring."""
    said = (folder / "__init__.py").read_text(encoding="utf-8").split('"""')[1]
    first = re.split(r"\.\s|\.$|\n", said.strip(), maxsplit=1)[0]
    return re.sub(r" \(METHOD[^)]*\)", "", first)


def lines(folder: Path) -> int:
    files = (file for file in folder.rglob("*.py") if "tests" not in file.parts)
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def drawing() -> str:
    """Mermaid, which code hosts draw, and a table."""
    pairs = arrows()
    drawn = ["```mermaid", "flowchart TD", *(f"  {a} --> {b}" for a, b in reduced(pairs)), "```", ""]
    table = ["| Room | What it is for | Lines | Imports |", "| --- | --- | ---: | --- |"]
    for room, folder in rooms().items():
        used = ", ".join(sorted(b for a, b in pairs if a == room))
        table.append(f"| `{folder.relative_to(ROOT)}/` | {purpose(folder)} | {lines(folder):,} | {used} |")
    return "\n".join([BEGIN, *drawn, *table, END])


def without_lines(text: str) -> str:
    return re.sub(r"\| [\d,]+ \|", "| |", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where rooms or arrows have changed")
    check = parser.parse_args().check
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    drawn, after = rest.split(END)
    found = drawing()
    if check and without_lines(BEGIN + drawn + END) != without_lines(found):
        sys.exit(f"error: {PAGE.relative_to(ROOT)}: rooms or arrows have changed; run `make house`")
    if not check:
        PAGE.write_text(before + found + after, encoding="utf-8")


if __name__ == "__main__":
    main()
