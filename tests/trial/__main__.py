"""A hostile trial of the product, in one table: `make trial`, or parts of it, `make trial PARTS="edits grader"`.

All of it takes about an hour. Projects are made anew in a temporary folder. `KILLS=3` kills less often.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from collections.abc import Callable
from functools import partial
from pathlib import Path

import kills
from beside import grade_beside
from dvc_project import environment_of_its_own
from found import Found
from inputs import fuzz

ROOT = Path(__file__).parents[2]


def tested(what: str, file: str, folder: Path) -> Found:
    """What the tests of a file have tried, one thing in each."""
    folder.mkdir(parents=True)
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", f"--junit-xml={report}", file]
    subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
    fell = tuple(
        case.get("name", "") for case in cases if case.find("failure") is not None or case.find("error") is not None
    )
    skipped = sum(case.find("skipped") is not None for case in cases)
    return Found(what, len(cases) - skipped, fell, f"{skipped} skipped" if skipped else "")


PARTS: dict[str, Callable[[Path], Found]] = {
    **{name: partial(part, kills=int(os.environ.get("KILLS") or kills.KILLS)) for name, part in kills.PARTS.items()},
    "edits": partial(tested, "edits while a stage runs", "tests/repro/test_edits_under_way.py"),
    "inputs": fuzz,
    "programs": partial(tested, "hostile programs", "tests/unit/test_hostile.py"),
    "beside": grade_beside,
}


def main(names: list[str]) -> None:
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    print(f"{'what':<40} {'tried':>5} {'fell':>5}  figures")
    fallen: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(environment_of_its_own(Path(folder) / "site"))
        for name in names or PARTS:
            found = PARTS[name](Path(folder) / name)
            print(f"{found.what:<40} {found.tried:>5} {len(found.fell):>5}  {found.figures}", flush=True)
            fallen += [f"{found.what}, {line}" for line in found.fell]
    print("\n".join(fallen))
    sys.exit(bool(fallen))


if __name__ == "__main__":
    main(sys.argv[1:])
