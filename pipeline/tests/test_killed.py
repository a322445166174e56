"""SIGKILL to any process: nobody is left behind, nothing half made, and the next run ends in the same bytes."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from dvc_project import Project, no_locks, wait_until
from served import CODE

pytestmark = pytest.mark.slow

ORPHANS = 15.0  # seconds after which nothing of a killed run may be left
MARK = "KILLED_TEST"  # an environment variable that all descendants of one command inherit
KINDS = {  # words of the command line of each kind of process
    "flow": {"pipeline", "run"},
    "server": {"pipeline.server"},
    "dvc": {"dvc", "repro"},
    "stage": {"work.py", "train"},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of Prefect whose database is made once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def undisturbed(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    project = Project(shutil.copytree(finished.root, tmp_path_factory.mktemp("undisturbed") / "project"))
    project.set_param("train", "steps", 6)
    project.dvc("repro", "-q")
    return project.outputs()


class Marked:
    """A command and everything that it starts, found by a mark in their environments."""

    def __init__(self, project: Project, home: Path, *command: str) -> None:
        self.mark = uuid.uuid4().hex
        environment = {**os.environ, MARK: self.mark, "PREFECT_HOME": str(home), "PYTHONPATH": str(CODE)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *command],
            cwd=project.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def family(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    def found(self, kind: str) -> list[psutil.Process]:
        """The processes of a kind, leashes aside."""
        found = []
        for process in self.family():
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
        return not any(self.family())


def half_way(project: Project) -> bool:
    steps = [project.root / f".scratch/models/run-{seed}" for seed in (0, 1)]
    return all(step.exists() and step.read_text() == "3" for step in steps)


def test_a_run_of_which_each_process_is_killed_ends_in_the_same_bytes(
    project: Project, undisturbed: dict[str, bytes], home: Path
) -> None:
    project.set_param("train", "steps", 6)
    project.write("hold", "training waits half way\n")
    run = Marked(project, home, "run")
    wait_until(lambda: half_way(project))
    run.kill("flow")
    run.process.communicate(timeout=60)
    wait_until(run.gone, ORPHANS)
    assert no_locks(project)

    run = Marked(project, home, "run")
    for kind in ("stage", "dvc", "server"):
        wait_until(lambda: len(run.found("stage")) == 2)  # the run has gone on with both
        run.kill(kind)
    wait_until(lambda: run.found("server"))
    (project.root / "hold").unlink()
    said, _ = run.process.communicate(timeout=300)
    assert run.process.returncode == 0 and "Completed: 5 RAN, 2 CACHED" in said, said
    wait_until(run.gone, ORPHANS)
    assert no_locks(project)
    assert project.outputs() == undisturbed
    assert not [path for path in project.root.rglob("*") if path.suffix in (".tmp", ".lookout")]
