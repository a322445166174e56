"""Where a project may lie: in a folder of any name, and deep in a repository that it shares with others."""

import shutil
from pathlib import Path

import pytest
from dvc_project import Project
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.flow import repro

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("server")]


@pytest.fixture(params=["здесь und dort/проект 蒸留", "mono repo/packages/проект"])
def placed(request: pytest.FixtureRequest, finished: Project, tmp_path: Path) -> Project:
    """The finished project, at the root of its repository, or below the root of one that holds other things too."""
    project = Project(shutil.copytree(finished.root, tmp_path / request.param))
    if "packages" in request.param:
        shutil.rmtree(project.root / ".git")
        top = Project(tmp_path / "mono repo")
        top.write("packages/other/README", "another project\n")
        top.git("init", "-q", "-b", "main")
        top.commit("all of it")
    return project


def test_a_project_runs_in_copies_and_is_compared_wherever_it_lies(placed: Project) -> None:
    arguments = ["plan", "--root", str(placed.root), "-S", "score.samples=8"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "miss   score@0  RAN       score.samples: 4 -> 8\n" in done.stdout
    assert not list((placed.root / ".dvc/tmp/prefect/runs").glob("*/"))

    placed.write("words.txt", "edited, not committed\n")
    before = placed.outputs()
    state = repro(workspace=str(placed.root), overrides="score.samples=8", experiment="louder", return_state=True)  # type: ignore[call-overload]
    assert state.message == "4 RAN, 3 CACHED", state.message
    assert placed.outputs() == before
    assert "louder" in placed.dvc("exp", "show", "--csv")
    placed.git("checkout", "-q", ".")
    placed.dvc("exp", "apply", "louder")
    assert "samples: 8" in placed.read("params.yaml") and placed.read("notes.txt") == "edited, not committed\n"
    assert "up to date" in placed.dvc("status")
