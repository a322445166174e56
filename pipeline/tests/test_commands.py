"""`python -m pipeline`: what it prints, and that a mistake of its user ends in one line."""

import contextlib
import fcntl
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc_project import Project
from typer.testing import CliRunner

from pipeline.check import check_params
from pipeline.cli import app
from pipeline.commands import fetch_results
from pipeline.copies import prepare_copy
from pipeline.dvc_process import DvcProcess
from pipeline.errors import PipelineError
from pipeline.overrides import parse_overrides
from pipeline.settings import read_settings
from pipeline.workspace import choose_workspace, exclusive

CODE = Path(__file__).parents[2]
COMMANDS = CliRunner()


def plan(project: Project, *args: str) -> str:
    done = COMMANDS.invoke(app, ["plan", "--root", str(project.root), *args], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def python(*args: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *args],
        env={**os.environ, "PYTHONPATH": str(CODE), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_plan_is_printed_wave_by_wave_and_as_json(project: Project) -> None:
    project.set_param("score", "samples", 8)
    lines = plan(project).splitlines()
    assert [line for line in lines if line.startswith("wave")] == [f"wave {wave}" for wave in range(4)]
    assert "  miss   score@0  RAN       score.samples: 4 -> 8" in lines
    assert lines[-1] == "7 stages: 4 hit, 2 miss, 1 maybe"
    rows = json.loads(plan(project, "--json", "score@1"))
    assert [(row["wave"], row["stage"], row["expected"]) for row in rows] == [
        (0, "prepare", "CACHED"),
        (1, "train@1", "CACHED"),
        (2, "score@1", "RAN"),
    ]


@pytest.mark.slow
def test_an_override_is_planned_in_a_copy(project: Project) -> None:
    before = project.outputs(), project.read("params.yaml")
    assert plan(project, "-S", "report.title=two words", "--experiment", "words").endswith(
        "7 stages: 6 hit, 1 miss, 0 maybe\n"
    )
    assert (project.outputs(), project.read("params.yaml")) == before
    assert not (project.root / ".dvc/tmp/prefect/runs/words").exists()


@pytest.mark.slow
def test_a_plan_keeps_the_copy_that_a_run_has_left(dvc: DvcProcess, project: Project) -> None:
    place = choose_workspace(project.root, parse_overrides("report.title=new"), "words")
    prepare_copy(dvc, place, parse_overrides("report.title=new"))
    state = place.root / ".scratch" / "half-done"  # which git ignores
    state.parent.mkdir()
    state.touch()
    plan(project, "-S", "report.title=two", "--experiment", "words")
    assert state.exists()
    assert 'title: "two"' in (place.root / "params.yaml").read_text()


def test_a_copy_in_which_a_run_is_at_work_is_not_changed_by_a_plan(project: Project) -> None:
    arguments = ["plan", "--root", str(project.root), "-S", "report.title=new", "--experiment", "busy"]
    place = choose_workspace(project.root, parse_overrides("report.title=old"), "busy")
    with exclusive(place, wait=False, say=print):
        done = COMMANDS.invoke(app, arguments)
    assert isinstance(done.exception, PipelineError) and "is in use by" in str(done.exception)
    assert not (place.root / "params.yaml").exists()


@contextlib.contextmanager
def dvc_lock(project: Project) -> Iterator[None]:
    """Hold DVC's lock of the repository, as another command of DVC does."""
    with (project.root / ".dvc/tmp/lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.slow
def test_fetching_from_the_remote_ends_when_the_run_is_cancelled(project: Project, tmp_path: Path) -> None:
    project.dvc("remote", "add", "--default", "shared", str(tmp_path / "nothing-there"))
    cancelled = threading.Event()
    cancelled.set()
    with dvc_lock(project), pytest.raises(PipelineError, match="stopped on request"):  # however fast DVC starts
        fetch_results(choose_workspace(project.root), cancelled)


@pytest.mark.slow
def test_a_plan_waits_for_another_command_of_dvc(project: Project) -> None:
    with dvc_lock(project):
        command = [sys.executable, "-m", "pipeline", "plan", "--root", str(project.root)]
        planning = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(CODE)}, stdout=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            planning.wait(10)  # DVC itself gives up after three seconds
    assert planning.wait(60) == 0


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["no-such-stage"], "'no-such-stage' not found"),
        (["-S", "score.sample=8"], "score.sample: params.yaml has no 'score.sample'; known there: samples, scale"),
        (["-S", "score.samples=many"], "score.samples: expected a whole number, got 'many'"),
        (["-S", "score.samples"], "is not of the form section.key=value"),
        (["--experiment", "../out"], "'../out': use letters, digits, '-' and '_'"),
    ],
)
def test_a_mistake_is_one_line(project: Project, args: list[str], complaint: str) -> None:
    error = COMMANDS.invoke(app, ["plan", "--root", str(project.root), *args]).exception
    assert isinstance(error, PipelineError)
    assert complaint in str(error) and "\n" not in str(error)


def test_a_plan_of_invalid_parameters_says_what_the_projects_check_says(project: Project) -> None:
    project.write("prefect.yaml", "pipeline: {check: sh -c 'echo seeds is bad >&2; exit 1'}\n")
    project.write("dvc.yaml", project.read("dvc.yaml").replace("seed: [0, 1]", "seed: ${train.steps}"))
    error = COMMANDS.invoke(app, ["plan", "--root", str(project.root)]).exception
    assert isinstance(error, PipelineError) and str(error) == "sh: seeds is bad"


def test_overrides_need_a_commit_to_copy(project: Project) -> None:
    project.git("checkout", "-q", "--orphan", "empty")
    error = COMMANDS.invoke(app, ["plan", "--root", str(project.root), "-S", "score.samples=8"]).exception
    assert "commit the project first" in str(error)


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ("{check: no-such-program params.yaml}", "pipeline.check: [Errno 2] No such file"),
        ('{check: "echo \'open"}', "pipeline.check: No closing quotation"),
        ("{check: sh -c 'echo steps is bad >&2; exit 3'}", "sh: steps is bad"),
        ("{check: \"sh -c 'echo error: steps is bad >&2; exit 3'\"}", "sh: steps is bad"),
        ("{reports: index.html}", "pipeline.reports: unknown"),
        ("[check]", "pipeline: expected keys with text"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path: Path, section: str, complaint: str) -> None:
    (tmp_path / "prefect.yaml").write_text(f"pipeline: {section}\n")
    with pytest.raises(PipelineError) as caught:
        check_params(tmp_path)
    assert complaint in str(caught.value) and "\n" not in str(caught.value)


def test_a_project_without_settings_has_none(tmp_path: Path) -> None:
    assert read_settings(tmp_path).check == ""
    (tmp_path / "prefect.yaml").write_text("name: other\n")
    check_params(tmp_path)


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_said_in_one_line(project: Project) -> None:
    done = python("-m", "pipeline", "run", "--root", str(project.root), PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == 1
    assert done.stderr.startswith("error: Failed to reach API at http://127.0.0.1:9/api")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_profile_of_another_server_plays_no_part_and_a_newer_database_is_said_in_one_line(
    project: Project, tmp_path: Path
) -> None:
    profiles = tmp_path / "user/.prefect/profiles.toml"
    profiles.parent.mkdir(parents=True)
    profiles.write_text('active = "cloud"\n[profiles.cloud]\nPREFECT_API_URL = "http://127.0.0.1:9/api"\n')
    elsewhere = {"HOME": str(tmp_path / "user"), "PREFECT_PROFILE": "cloud", "PREFECT_API_KEY": "pnu_of_the_cloud"}
    done = python("-m", "pipeline", "run", "--root", str(project.root), **elsewhere)
    assert done.returncode == 0 and done.stdout.endswith("Completed: 7 CACHED\n"), done.stderr
    assert list((tmp_path / "user/.prefect").iterdir()) == [profiles]

    database = project.root / ".dvc/tmp/prefect/home/prefect.db"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("update alembic_version set version_num = 'of-the-future'")
    done = python("-m", "pipeline", "run", "--root", str(project.root))
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "its database was made by another, newer Prefect" in done.stderr

    database.write_bytes(b"no database at all" * 999)
    done = python("-m", "pipeline", "run", "--root", str(project.root))
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "Prefect's server did not start: " in done.stderr and "not a database" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "ui"])
def test_a_home_that_cannot_be_made_is_said_in_one_line(project: Project, command: str) -> None:
    project.write("prefect.yaml", "deployments: []\n")
    done = python("-m", "pipeline", command, "--root", str(project.root), PREFECT_HOME="/dev/null/home")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: /dev/null/home: the home of Prefect's server cannot be made")


@pytest.mark.slow
def test_prefect_is_imported_without_what_it_does_not_need_here() -> None:
    code = """
import sys
from pipeline.quick import quick_imports
with quick_imports():
    import pipeline.flow
assert not {"pandas", "trio", "dvc", "networkx", "fastapi"} & sys.modules.keys()
import pandas, trio  # the stages of others, and their plots, still can
from httpx import main
from prefect.blocks.notifications import SlackWebhook
from prefect.blocks import webhook
assert webhook.Webhook
from prefect import flow_engine
assert flow_engine._send_heartbeats.keywords == {"join_on_exit": False}  # what the pinned Prefect waits by
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
