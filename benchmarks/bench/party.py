"""One side of a comparison, in a process of its own: it works when told to, and says what each turn cost.

    python -m benchmarks.bench.party ROW SIDE

reads the options, a line of JSON, and then a line for each turn; it answers with a line of JSON each time. What
libraries print goes to standard error, so that it cannot get between.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from benchmarks.processor import processor_seconds

os.environ |= {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "DS_ACCELERATOR": "cpu", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True)
class Options:
    """root: a workspace in which the pipeline has made base, teacher and data. folder: an empty one, for this side.

    quick: sizes that show that a row works and are no measurement.
    """

    root: Path
    folder: Path
    quick: bool


class Ended(Exception):  # noqa: N818 - no error
    """There are no more turns."""


@dataclass
class Turns:
    """What a side calls between its turns. about: said once, at the end."""

    words: TextIO
    answers: TextIO
    about: dict[str, Any] = field(default_factory=dict)
    _began: tuple[float, float] | None = None

    def next(self) -> None:
        """End a turn, say what it cost, and return when the next begins. Raises `Ended` after the last."""
        ended = (time.perf_counter(), processor_seconds())
        wall, cpu = (now - then for now, then in zip(ended, self._began or ended, strict=True))
        self.answer(wall=wall, cpu=cpu)
        if self.words.readline() != "turn\n":
            raise Ended
        self._began = (time.perf_counter(), processor_seconds())

    def count(self, **amounts: int) -> None:
        """Add to what is said at the end."""
        self.about |= {name: self.about.get(name, 0) + amount for name, amount in amounts.items()}

    def answer(self, **said: Any) -> None:
        self.answers.write(json.dumps(said) + "\n")
        self.answers.flush()


def peak_mib() -> float:
    """The largest resident memory so far, of this process or of one that it has started."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024


def main() -> None:
    row, side = sys.argv[1:]
    turns = Turns(sys.stdin, os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)
    given = json.loads(sys.stdin.readline())
    options = Options(Path(given["root"]), Path(given["folder"]), given["quick"])
    work = getattr(importlib.import_module(f"benchmarks.bench.{row}"), side)
    try:
        work(options, turns)
    except Ended:
        turns.answer(peak_mib=peak_mib(), **turns.about)


if __name__ == "__main__":
    main()
