"""A plan made by DVC's own process is the plan that would be made here, and what it complains of is raised here."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from dvc_project import Project, wait_until

from pipeline.dvc_process import DvcProcess, send_ahead, taken
from pipeline.errors import PipelineError
from pipeline.project.forecast import make_plan
from pipeline.workspace import choose_workspace, claim, exclusive


def test_a_plan_is_of_the_files_as_they_are_when_it_is_asked_for(dvc: DvcProcess, project: Project) -> None:
    project.set_param("score", "samples", 8)
    found, _ = dvc.plan(project.root, ("score",), force=False, check=True)
    assert found == make_plan(project.root, ("score",))
    assert found.forecasts["score@0"].reason == "score.samples: 4 -> 8"


def test_a_plan_that_was_begun_ahead_is_the_answer_to_the_same_question_alone(project: Project) -> None:
    send_ahead(DvcProcess(sys.executable))
    with taken(sys.executable) as dvc:
        dvc.begin_plan(project.root, ("score",), force=True, check=True)
        found, _ = dvc.plan(project.root, ("score",), force=True, check=True, tidy=True)
        assert found == make_plan(project.root, ("score",), force=True)
        dvc.begin_plan(project.root, (), force=False, check=True)
        found, _ = dvc.plan(project.root, ("notes",), force=False, check=True, tidy=True)
        assert found == make_plan(project.root, ("notes",))


def test_what_it_complains_of_is_raised_where_it_was_asked(dvc: DvcProcess, project: Project) -> None:
    project.write("prefect.yaml", "pipeline: {check: sh -c 'echo steps is bad >&2; exit 3'}\n")
    with pytest.raises(PipelineError) as caught:
        dvc.plan(project.root, ("no-such-stage",), force=False, check=True)
    assert str(caught.value) == "sh: steps is bad"  # before what DVC says of the target
    with pytest.raises(PipelineError) as caught:
        dvc.plan(project.root, ("no-such-stage",), force=False, check=False)
    assert "'no-such-stage' not found" in str(caught.value)


def test_a_python_without_dvc_is_said_in_one_line(project: Project, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # without the packages of the site
    python.chmod(0o755)
    with DvcProcess(str(python)) as dvc, pytest.raises(PipelineError) as caught:
        dvc.plan(project.root, (), force=False, check=True)
    assert "name the Python that runs DVC in prefect.yaml: pipeline.python" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_python_of_the_project_runs_dvc_and_the_stages(project: Project) -> None:
    project.write("prefect.yaml", "pipeline: {python: own/python}\n")
    with pytest.raises(PipelineError, match=r"prefect\.yaml: pipeline\.python: .*own/python is no program"):
        choose_workspace(project.root)
    project.write("own/python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (project.root / "own/python").chmod(0o755)
    assert choose_workspace(project.root).python == str(project.root / "own/python")
    assert choose_workspace(project.root, experiment="copy").python == str(project.root / "own/python")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_whoever_asks(number: int, tmp_path: Path) -> None:
    code = """
import pathlib, sys
from pipeline.dvc_process import DvcProcess
dvc = DvcProcess(sys.executable)
dvc.release_dead_locks(pathlib.Path())  # it is there
pathlib.Path("there").touch()
sys.stdin.read()
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", code]
    with psutil.Popen(command, cwd=tmp_path, env=environment, stdin=-1) as asking:
        wait_until((tmp_path / "there").exists)
        family = asking.children(recursive=True)
        assert any("pipeline.project" in process.cmdline() for process in family)
        asking.send_signal(number)
        psutil.wait_procs(family, timeout=15)
    assert not [process for process in family if process.is_running()]


def test_a_claimed_workspace_is_kept_until_its_run_has_ended(project: Project) -> None:
    place = choose_workspace(project.root)
    assert claim(place) and not claim(place)
    with exclusive(place, wait=False, say=print):
        assert not claim(place)
        with pytest.raises(PipelineError), exclusive(place, wait=False, say=print):
            pass
    with exclusive(place, wait=False, say=print):
        assert not claim(place)
