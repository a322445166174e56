"""A command and all that it starts, found by a mark: which of them is of which kind, and what a killed one leaves."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from dvc_project import Project, wait_until
from served import CODE

MARK = "KILLED_TEST"  # an environment variable that all descendants of one command inherit
KINDS = {  # words of the command line of each kind of process
    "flow": {"pipeline", "run"},
    "server": {"pipeline.server"},
    "worker": {"prefect", "worker"},
    "dvc": {"dvc", "repro"},
    "stage": {"work.py", "train"},
}


@dataclass(frozen=True)
class Family:
    """Whoever has the mark in the environment."""

    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def members(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    def found(self, kind: str) -> list[psutil.Process]:
        """The processes of a kind, leashes aside."""
        found = []
        for process in self.members():
            with suppress(psutil.Error):
                said = {Path(word).name for word in process.cmdline()}
                if said >= KINDS[kind] and "leash.py" not in said:
                    found.append(process)
        return found

    def kill(self, kind: str) -> None:
        killed = self.found(kind)[0]
        killed.kill()
        wait_until(lambda: not killed.is_running() or killed.status() == psutil.STATUS_ZOMBIE)

    def gone(self) -> bool:
        return not any(self.members())


def started(project: Project, home: Path, *command: str) -> "tuple[subprocess.Popen[str], Family]":
    """A command of `python -m pipeline`, and its family."""
    family = Family()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *command],
        cwd=project.root,
        env={**os.environ, MARK: family.mark, "PREFECT_HOME": str(home), "PYTHONPATH": str(CODE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return process, family


def temporaries(project: Project) -> list[str]:
    """What is half made, or was made only to be looked at."""
    return [path.name for path in project.root.rglob("*") if path.suffix in (".tmp", ".lookout")]
