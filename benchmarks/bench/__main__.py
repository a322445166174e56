"""Side by side: this project and the tools that people use instead, in turns on this machine.

    make bench        or      python -m benchmarks.bench [--rows opd grpo …] [--quick]

Every side is a process of its own, in the environment that has its packages; they work one after the other, A B A B …,
so that a busy minute of the machine is everybody's. The first turns warm up and are left out. Compared are processor
seconds, which other guests of a machine hardly change. Writes reports/bench.json and the table of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm

from effopd.files import write_json, write_text

ROOT = Path(__file__).parents[2]
OWN, PEERS = ROOT / ".venv/bin/python", ROOT / ".venv-peers/bin/python"
REPORT, PAGE = Path("reports/bench.json"), Path("docs/benchmarks.md")
BEGINS, ENDS = "<!-- make bench -->", "<!-- end -->"
WARM_UP = 1  # turns of each side
CLOSE = 1e-4
"""How far figures that both sides compute may be apart, relatively."""


class BenchError(RuntimeError):
    """One line: which side of which row went wrong."""


@dataclass(frozen=True)
class Side:
    """function: of the row's module. python: of the environment that has its packages."""

    name: str
    function: str
    python: Path = OWN


@dataclass(frozen=True)
class Row:
    """sides: ours first. trained: whether it needs what `make repro` makes."""

    module: str
    title: str
    sides: tuple[Side, ...]
    turns: int
    trained: bool = False


ROWS = (
    Row(
        "opd",
        "OPD step",
        (Side("ours", "ours"), Side("TRL's DistillationTrainer", "theirs", PEERS)),
        turns=12,
        trained=True,
    ),
    Row(
        "grpo",
        "GRPO step",
        (Side("ours", "ours"), Side("TRL's GRPOTrainer", "theirs", PEERS)),
        turns=5,
        trained=True,
    ),
    Row(
        "rollouts",
        "256 greedy completions",
        (Side("ours", "ours"), Side("transformers' generate", "theirs")),
        turns=8,
        trained=True,
    ),
    Row(
        "spectra",
        "Singular values of one layer's update, of Qwen3-0.6B's shapes",
        (
            Side("ours", "ours"),
            Side("torch's svdvals", "by_svdvals"),
            Side("torch's svd", "by_svd"),
            Side("WeightWatcher", "by_weightwatcher", PEERS),
        ),
        turns=3,
    ),
    Row(
        "grading",
        "200 mathematical verdicts",
        (Side("ours", "ours"), Side("math-verify", "theirs", PEERS)),
        turns=5,
    ),
    Row(
        "pipeline",
        "25 stages with nothing to do",
        (Side("dvc repro", "ours"), Side("dvc status", "status"), Side("the flow", "flow")),
        turns=3,
    ),
)


class Party:
    """A side's process, which works when told to."""

    def __init__(self, row: Row, side: Side, options: Mapping[str, Any], folder: Path) -> None:
        self.name = f"{row.module}, {side.name}"
        self._log = folder / "stderr"
        command = [str(side.python), "-m", "benchmarks.bench.party", row.module, side.function]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        (folder / "own").mkdir()
        self._say(json.dumps({**options, "folder": str(folder / "own")}))
        self._answer()  # it is ready for its first turn

    def turn(self) -> dict[str, float]:
        self._say("turn")
        return self._answer()

    def end(self) -> dict[str, Any]:
        """What it says of all turns."""
        self._say("end")
        about = self._answer()
        self._process.wait()
        return about

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _say(self, word: str) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise BenchError(self._said()) from None

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        if not (line := self._process.stdout.readline()):
            raise BenchError(self._said())
        return json.loads(line)

    def _said(self) -> str:
        """The last line of what the process wrote before it ended."""
        self._process.wait()
        written = self._log.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(written) if line.strip()), "nothing")
        return f"{self.name}: ended with {self._process.returncode}; the last it said: {last[:300]}"


def compared(row: Row, root: Path, turns: int, quick: bool, bar: tqdm) -> dict[str, Any]:
    """One row: what each side took in each turn, and what it says of itself."""
    options = {"root": str(root.resolve()), "quick": quick}
    with ExitStack() as stack:
        parties = []
        for side in row.sides:
            bar.set_postfix_str(f"{row.module}: {side.name} starts")
            party = Party(row, side, options, Path(stack.enter_context(TemporaryDirectory(prefix="bench-"))))
            stack.callback(party.kill)
            parties.append(party)
        took: list[list[dict[str, float]]] = [[] for _ in parties]
        for _ in range(WARM_UP + turns):
            for party, times in zip(parties, took, strict=True):
                bar.set_postfix_str(party.name)
                times.append(party.turn())
            bar.update()
        sides = []
        for side, party, times in zip(row.sides, parties, took, strict=True):
            kept = times[WARM_UP:]
            sides.append(
                {
                    "name": side.name,
                    "cpu_seconds": [one["cpu"] for one in kept],
                    "wall_seconds": [one["wall"] for one in kept],
                    **party.end(),
                }
            )
    check_same(row, sides)
    return {"row": row.module, "title": row.title, "sides": sides}


def check_same(row: Row, sides: Sequence[Mapping[str, Any]]) -> None:
    """Raises `BenchError` where two sides that compute the same thing have found different things."""
    results = {side["name"]: side["result"] for side in sides if "result" in side}
    if len(set(results.values())) > 1:
        raise BenchError(f"{row.module}: the sides found different things: {results}")
    figures = [side["figures"] for side in sides if "figures" in side]
    for other in figures[1:]:
        for name, value in figures[0].items():
            if not math.isclose(value, other[name], rel_tol=CLOSE):
                raise BenchError(f"{row.module}: {name} is {value} and {other[name]}")


def times_less(ours: Mapping[str, Any], other: Mapping[str, Any]) -> list[float]:
    """How many times the processor seconds of ours the other took, turn by turn."""
    return [b / a for a, b in zip(ours["cpu_seconds"], other["cpu_seconds"], strict=True)]


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "| | | processor seconds a turn | seconds a turn | peak memory, MiB | times the floor | against ours |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        ours = row["sides"][0]
        for side in row["sides"]:
            cpu, wall = side["cpu_seconds"], side["wall_seconds"]
            floor = f"{median(cpu) / ours['floor']:.2f}" if "floor" in ours else ""
            ratios = times_less(ours, side)
            against = f"{median(ratios):.2f}× ({min(ratios):.2f}–{max(ratios):.2f})" if side is not ours else ""
            cells = [
                row["title"] if side is ours else "",
                side["name"],
                f"{median(cpu):.3g} ({min(cpu):.3g}–{max(cpu):.3g})",
                f"{median(wall):.3g}",
                f"{side['peak_mib']:,.0f}",
                floor,
                against,
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def check_ready(rows: Sequence[Row], root: Path) -> None:
    """Raises `BenchError` that says what to do where an environment or a model is missing."""
    for python, target in ((OWN, "setup"), (PEERS, "peers")):
        if any(side.python == python for row in rows for side in row.sides) and not python.exists():
            raise BenchError(f"{python}: no such file; `make {target}` makes it")
    needed = (root / "params.yaml", root / "models/base", root / "models/teacher", root / "data/train.parquet")
    if any(row.trained for row in rows) and (missing := [path for path in needed if not path.exists()]):
        raise BenchError(f"{missing[0]}: no such file; `make repro` makes it")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [row.module for row in ROWS]
    parser.add_argument("--rows", nargs="+", choices=names, default=names, metavar="ROW", help=", ".join(names))
    parser.add_argument("--root", type=Path, default=Path(), help="workspace whose models and data are used")
    parser.add_argument("--quick", action="store_true", help="one turn of toy size, to see that all of it works")
    parser.add_argument("--out", type=Path, help=f"instead of {REPORT} and the table of {PAGE}")
    options = parser.parse_args()
    chosen = [row for row in ROWS if row.module in options.rows]
    check_ready(chosen, options.root)
    turns = {row.module: 1 if options.quick else row.turns for row in chosen}
    with tqdm(total=sum(turns.values()) + WARM_UP * len(chosen), unit="turn", desc="bench") as bar:
        rows = [compared(row, options.root, turns[row.module], options.quick, bar) for row in chosen]
    machine = {"processor": processor(), "python": platform.python_version()}
    write_json(options.out or REPORT, {"machine": machine, "quick": options.quick, "rows": rows})
    print("\n".join(table(rows)))
    if not options.out:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGINS)
        write_text(PAGE, before + BEGINS + "\n" + "\n".join(table(rows)) + "\n" + ENDS + rest.split(ENDS, 1)[1])


def processor() -> str:
    said = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    lines = (line.partition(":")[2].strip() for line in said.splitlines() if line.startswith("model name"))
    return next(lines, platform.machine())


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"error: {error}")
