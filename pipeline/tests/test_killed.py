"""SIGKILL to any process: nobody is left behind, nothing half made, and the next run ends in the same bytes."""

import shutil
from pathlib import Path

import pytest
from dvc_project import Project, no_locks, wait_until
from marked import started, temporaries

pytestmark = pytest.mark.slow

ORPHANS = 15.0  # seconds after which nothing of a killed run may be left


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


def half_way(project: Project) -> bool:
    steps = [project.root / f".scratch/models/run-{seed}" for seed in (0, 1)]
    return all(step.exists() and step.read_text() == "3" for step in steps)


def test_a_run_of_which_each_process_is_killed_ends_in_the_same_bytes(
    project: Project, undisturbed: dict[str, bytes], home: Path
) -> None:
    project.set_param("train", "steps", 6)
    project.write("hold", "training waits half way\n")
    process, family = started(project, home, "run")
    wait_until(lambda: half_way(project))
    family.kill("flow")
    process.communicate(timeout=60)
    wait_until(family.gone, ORPHANS)
    assert no_locks(project)

    process, family = started(project, home, "run")
    for kind in ("stage", "dvc", "server"):
        wait_until(lambda: len(family.found("stage")) == 2)  # the run has gone on with both
        family.kill(kind)
    wait_until(lambda: family.found("server"))
    (project.root / "hold").unlink()
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0 and "Completed: 5 RAN, 2 CACHED" in said, said
    wait_until(family.gone, ORPHANS)
    assert no_locks(project)
    assert project.outputs() == undisturbed
    assert temporaries(project) == []
