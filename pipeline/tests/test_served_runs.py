"""Runs of the deployment behind `pipeline ui`: overrides, cancelling and resuming, two at once, a lost server."""

import datetime
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from dvc_project import Project, no_locks, wait_until
from served import CODE, PYTHON, Server, stage_processes

from pipeline.server import grant, listen, serving
from pipeline.workspace import choose_workspace, exclusive

pytestmark = pytest.mark.slow


@pytest.fixture
def project(deployed: Project) -> Project:
    return deployed


@pytest.fixture
def server(serving: Server) -> Server:
    return serving


def test_an_override_from_the_form_runs_in_a_copy_and_becomes_an_experiment(project: Project, server: Server) -> None:
    before, params = project.outputs(), project.read("params.yaml")
    run = server.start(overrides="score.samples=8 score.scale=2", experiment="louder")
    assert server.finished(run) == ("Completed", "3 RAN, 4 CACHED")
    assert server.run(run)["name"].endswith(": score.samples=8 score.scale=2")
    assert server.tasks(run)["score@1"] == "Ran" and server.tasks(run)["train@1"] == "Cached"
    assert (project.outputs(), project.read("params.yaml")) == (before, params)
    copy = project.root / ".dvc/tmp/prefect/runs/louder"
    assert json.loads((copy / "score-0.json").read_text())["score"] == 3 * 8 * 2.0
    assert (copy / "params.yaml").read_text() == params.replace("samples: 4", "samples: 8").replace(
        "scale: 1.0", "scale: 2.0"
    )
    shown = project.dvc("exp", "show", "--json")
    assert "louder" in shown and "48.0" in shown


def test_the_link_to_a_report_shows_the_page_of_that_run_after_later_ones(project: Project, server: Server) -> None:
    runs = []
    for title in ("results", "later ones"):
        project.set_param("report", "title", title)
        runs.append(server.start())
        assert server.finished(runs[-1])[0] == "Completed"
    for run, title in zip(runs, ("results", "later ones"), strict=True):
        (artifact,) = server.artifacts(run, "dvc-report")
        link = artifact["data"].rpartition("(")[2].rstrip(")")
        assert httpx.get(link).text.startswith(f"<h1>{title}</h1>")


def test_an_override_that_the_project_refuses_fails_before_any_stage(project: Project, server: Server) -> None:
    run = server.start(overrides="train.steps=0")
    name, message = server.finished(run)
    assert name == "Failed" and "train.steps: must be at least 1" in message
    assert server.tasks(run) == {}


def test_a_cancelled_run_ends_within_15_seconds_leaves_no_lock_and_resumes_to_the_same_bytes(
    project: Project, server: Server, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    undisturbed = Project(shutil.copytree(project.root, tmp_path / "undisturbed", symlinks=True))  # a cache of its own
    undisturbed.set_param("train", "steps", 6)
    undisturbed.dvc("repro", "-q")
    expected = undisturbed.outputs()

    project.set_param("train", "steps", 6)
    project.write("hold", "training waits half way\n")
    run = server.start()
    scratch = [project.root / f".scratch/models/run-{seed}" for seed in (0, 1)]
    wait_until(lambda: all(path.exists() and path.read_text() == "3" for path in scratch))
    assert server.tasks(run)["train@0"] == "Running"
    cancelled = time.monotonic()
    server.cancel(run)
    wait_until(lambda: not stage_processes(project.root), 20)
    stopped = time.monotonic() - cancelled
    assert server.finished(run)[0] == "Cancelled"
    ended = time.monotonic() - cancelled
    assert stopped < 15 and ended < 15, (stopped, ended)
    assert no_locks(project)
    record_property("stage_processes_gone_after_seconds", round(stopped, 1))
    record_property("run_cancelled_after_seconds", round(ended, 1))

    (project.root / "hold").unlink()
    run = server.start()
    assert server.finished(run) == ("Completed", "5 RAN, 2 CACHED")
    assert server.said(run).count("resumed at step 3") == 2
    assert project.outputs() == expected


@contextmanager
def alone(project: Project, server: Server) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """A run from the command line, to which no worker delivers a cancel; the command and the id of the run."""
    environment = {**os.environ, **server.environment, "PYTHONPATH": str(CODE)}
    command = [PYTHON, "-m", "pipeline", "run"]

    def running() -> list[str]:
        found = server.post("flow_runs/filter", flow_runs={"state": {"type": {"any_": ["RUNNING"]}}})
        return [run["id"] for run in found]

    with subprocess.Popen(command, cwd=project.root, env=environment, stderr=subprocess.PIPE) as process:
        try:
            wait_until(running)
            yield process, running()[0]
        finally:
            process.terminate()


def test_a_suspended_run_stops_its_stages_and_goes_on_from_there_when_it_is_resumed(
    project: Project, server: Server
) -> None:
    project.set_param("train", "steps", 9)
    project.write("hold", "training waits half way\n")
    run = server.start()
    scratch = [project.root / f".scratch/models/run-{seed}" for seed in (0, 1)]
    wait_until(lambda: all(path.exists() and path.read_text() == "3" for path in scratch))
    later = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)).isoformat()
    suspended = {"type": "PAUSED", "name": "Suspended"}  # as the page sends it
    server.post(
        f"flow_runs/{run}/set_state",
        state=suspended | {"state_details": {"pause_timeout": later, "pause_reschedule": True}},
    )
    wait_until(lambda: not stage_processes(project.root), 20)
    wait_until(lambda: no_locks(project), 20)
    assert server.state(run)[0] == "Suspended"
    (project.root / "hold").unlink()
    server.post(f"flow_runs/{run}/resume")
    assert server.finished(run) == ("Completed", "5 RAN, 2 CACHED")
    assert server.said(run).count("resumed at step 3") == 2


def test_a_cancel_is_heeded_by_a_run_that_waits_for_the_workspace(project: Project, server: Server) -> None:
    with exclusive(choose_workspace(project.root), wait=False, say=print), alone(project, server) as (_, run):
        wait_until(lambda: "waiting for process" in server.said(run))
        server.cancel(run)
        assert server.finished(run, seconds=30)[0] == "Cancelled"
    assert server.tasks(run) == {}


def test_a_cancel_is_heeded_though_nobody_reads_what_the_run_says(project: Project, server: Server) -> None:
    project.set_param("train", "steps", 10)
    project.write("hold", "training waits half way\n")
    scratch = [project.root / f".scratch/models/run-{seed}" for seed in (0, 1)]
    with alone(project, server) as (process, run):
        wait_until(lambda: all(path.exists() and path.read_text() == "3" for path in scratch))
        assert process.stderr is not None
        process.stderr.close()
        server.cancel(run)
        wait_until(lambda: not stage_processes(project.root), 30)
        assert server.finished(run, seconds=30)[0] == "Cancelled"
    assert no_locks(project)


def test_a_second_run_waits_or_is_refused_as_chosen(project: Project, server: Server) -> None:
    project.set_param("train", "steps", 7)
    project.write("hold", "until both others have come\n")
    first = server.start()
    wait_until(lambda: server.tasks(first).get("train@0") == "Running")
    refused, waiting = server.start(busy="refuse"), server.start(busy="wait")
    name, message = server.finished(refused)
    assert name == "Failed" and "is in use by process" in message
    wait_until(lambda: "waiting for process" in server.said(waiting))
    (project.root / "hold").unlink()
    assert server.finished(first) == ("Completed", "5 RAN, 2 CACHED")
    assert server.finished(waiting) == ("Completed", "7 CACHED")
    assert no_locks(project)


def test_a_server_that_restarts_costs_nothing(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    listener = listen()
    access = grant(listener)
    server = Server(access.port, access.secret)
    project.set_param("train", "steps", 8)
    project.write("hold", "until the server is back\n")
    with serving(tmp_path, listener, access):
        wait_until(server.answers, 120)
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "run"],
            cwd=project.root,
            env={**os.environ, **server.environment, "PYTHONPATH": str(CODE)},
        )
        wait_until(lambda: "Running" in server.tasks().values(), 120)
    assert not server.answers() and process.poll() is None
    with serving(tmp_path, listen(access.port), access):
        wait_until(server.answers, 120)
        (project.root / "hold").unlink()
        assert process.wait(200) == 0
        (run,) = server.post("flow_runs/filter")
        assert run["state"]["message"] == "5 RAN, 2 CACHED"
    assert not stage_processes(project.root)
    assert no_locks(project)
    assert "up to date" in project.dvc("status")


def test_everything_listens_on_loopback_only_and_nothing_is_reported(server: Server) -> None:
    family = [psutil.Process(server.process), *psutil.Process(server.process).children(recursive=True)]
    sockets = [socket for process in family for socket in process.net_connections("inet")]
    listening = {tuple(socket.laddr) for socket in sockets if socket.status == psutil.CONN_LISTEN}
    assert listening >= {("127.0.0.1", server.port), ("127.0.0.1", server.port + 1)}  # the API and the reports
    assert {host for host, _ in listening} == {"127.0.0.1"}
    settings = server.request("GET", "admin/settings").raise_for_status().json()
    assert settings["server"]["analytics_enabled"] is False


def test_the_schedule_of_the_deployment_is_off(server: Server) -> None:
    assert [(entry["slug"], entry["active"]) for entry in server.deployment()["schedules"]] == [("nightly", False)]
