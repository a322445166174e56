"""Runs of the deployment behind `pipeline ui`: overrides, cancelling and resuming, two at once, a lost server."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from dvc_project import Project, no_locks, wait_until

from pipeline.ui import held

pytestmark = pytest.mark.slow
CODE = Path(__file__).parents[2]
CHECK_PY = """\
import sys, yaml
if yaml.safe_load(open(sys.argv[1]))["train"]["steps"] < 1:
    sys.exit("train.steps: must be at least 1")
"""


@dataclass(frozen=True)
class Server:
    """Prefect's REST API, as the browser uses it."""

    port: int

    def answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/api/health", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def post(self, path: str, **body: object) -> Any:
        for _ in range(10):
            answer = httpx.post(f"http://127.0.0.1:{self.port}/api/{path}", json=body, timeout=30)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:  # the server's SQLite was busy
                break
            time.sleep(0.5)
        answer.raise_for_status()
        return answer.json()

    def start(self, **parameters: object) -> str:
        (deployment,) = self.post("deployments/filter")
        run = self.post(
            f"deployments/{deployment['id']}/create_flow_run", parameters=parameters, state={"type": "SCHEDULED"}
        )
        return str(run["id"])

    def state(self, run: str) -> tuple[str, str]:
        answer = httpx.get(f"http://127.0.0.1:{self.port}/api/flow_runs/{run}", timeout=30)
        answer.raise_for_status()
        state = answer.json()["state"]
        return state["name"], state["message"] or ""

    def finished(self, run: str, seconds: float = 90) -> tuple[str, str]:
        wait_until(lambda: self.state(run)[0] in ("Completed", "Failed", "Crashed", "Cancelled"), seconds)
        return self.state(run)

    def tasks(self, run: str | None = None) -> dict[str, str]:
        """State by task, of one flow run or of all."""
        found = self.post("task_runs/filter", **({"flow_runs": {"id": {"any_": [run]}}} if run else {}))
        return {task["name"]: task["state_name"] for task in found}

    def cancel(self, run: str) -> None:
        self.post(f"flow_runs/{run}/set_state", state={"type": "CANCELLING"})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(project: Project, home: Path) -> Iterator[Server]:
    port = free_port()
    with (home / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "ui", "--port", str(port)],
            cwd=project.root,
            env={**os.environ, "PREFECT_HOME": str(home), "PREFECT_WORKER_QUERY_SECONDS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until(lambda: b"Open http" in (home / "ui.log").read_bytes() or process.poll() is not None, 150)
            assert process.poll() is None, (home / "ui.log").read_text()
            yield Server(port)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


@pytest.fixture(scope="module")
def serving(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Server]]:
    """A finished project with this repository's deployment, served for all tests of the file."""
    project = Project(shutil.copytree(finished.root, tmp_path_factory.mktemp("served") / "project"))
    settings = yaml.safe_load((CODE / "prefect.yaml").read_text())
    settings["pipeline"] = {"check": "python check.py params.yaml", "report": "report.html"}
    project.write("prefect.yaml", yaml.safe_dump(settings))
    project.write("check.py", CHECK_PY)
    (project.root / "pipeline").symlink_to(CODE / "pipeline")
    project.commit("deploy")
    with served(project, tmp_path_factory.mktemp("home")) as server:
        yield project, server


@pytest.fixture
def project(serving: tuple[Project, Server]) -> Iterator[Project]:
    """The served project, every test with its own workspace state undone."""
    project, _ = serving
    yield project
    project.git("checkout", "-q", ".")
    project.dvc("checkout", "-q", "--force")


@pytest.fixture
def server(serving: tuple[Project, Server]) -> Server:
    return serving[1]


def children_of(folder: Path) -> list[int]:
    """Processes of stages: those that work in the folder and were started by DVC."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        command = process.info["cmdline"] or []
        if process.info["cwd"] == str(folder) and ("work.py" in command or "repro" in command):
            found.append(process.pid)
    return found


def test_an_override_from_the_form_runs_in_a_copy_and_becomes_an_experiment(project: Project, server: Server) -> None:
    before, params = project.outputs(), project.read("params.yaml")
    run = server.start(overrides="score.samples=8 score.scale=2", experiment="louder")
    assert server.finished(run) == ("Completed", "3 RAN, 4 CACHED")
    assert server.tasks(run)["score@1"] == "Ran" and server.tasks(run)["train@1"] == "Cached"
    assert (project.outputs(), project.read("params.yaml")) == (before, params)
    copy = project.root / ".dvc/tmp/prefect/runs/louder"
    assert json.loads((copy / "score-0.json").read_text())["score"] == 3 * 8 * 2.0
    assert (copy / "params.yaml").read_text() == params.replace("samples: 4", "samples: 8").replace(
        "scale: 1.0", "scale: 2.0"
    )
    shown = project.dvc("exp", "show", "--json")
    assert "louder" in shown and "48.0" in shown


def test_an_override_that_the_project_refuses_fails_before_any_stage(project: Project, server: Server) -> None:
    run = server.start(overrides="train.steps=0")
    name, message = server.finished(run)
    assert name == "Failed" and "train.steps: must be at least 1" in message
    assert server.tasks(run) == {}


def test_a_cancelled_run_ends_within_15_seconds_leaves_no_lock_and_resumes_to_the_same_bytes(
    project: Project, server: Server, record_property: Callable[[str, object], None]
) -> None:
    project.set_param("train", "steps", 40)
    project.set_param("train", "seconds", 0.1)
    project.dvc("repro", "-q")
    expected = project.outputs()
    project.git("checkout", "-q", ".")
    project.dvc("checkout", "-q", "--force")
    shutil.rmtree(project.root / ".dvc/cache/runs")

    project.set_param("train", "steps", 40)
    project.set_param("train", "seconds", 0.1)
    scratch = project.root / ".scratch/models/run-1"
    run = server.start()
    wait_until(lambda: scratch.exists() and int(scratch.read_text() or 0) > 5)
    assert server.tasks(run)["train@0"] == "Running"
    cancelled = time.monotonic()
    server.cancel(run)
    wait_until(lambda: not children_of(project.root), 20)
    stopped = time.monotonic() - cancelled
    assert server.finished(run)[0] == "Cancelled"
    ended = time.monotonic() - cancelled
    assert stopped < 15 and ended < 15, (stopped, ended)
    assert no_locks(project)
    record_property("stage_processes_gone_after_seconds", round(stopped, 1))
    record_property("run_cancelled_after_seconds", round(ended, 1))

    half_way = int(scratch.read_text())
    assert 5 < half_way < 40
    run = server.start()
    assert server.finished(run) == ("Completed", "5 RAN, 2 CACHED")
    assert project.outputs() == expected


def test_a_second_run_waits_or_is_refused_as_chosen(project: Project, server: Server) -> None:
    project.set_param("train", "steps", 41)
    project.set_param("train", "seconds", 0.4)
    first = server.start()
    wait_until(lambda: server.tasks(first).get("train@0") == "Running")
    refused, waiting = server.start(busy="refuse"), server.start(busy="wait")
    name, message = server.finished(refused)
    assert name == "Failed" and "is in use by process" in message
    assert server.finished(first) == ("Completed", "5 RAN, 2 CACHED")
    assert server.finished(waiting) == ("Completed", "7 CACHED")
    assert no_locks(project)


def test_a_server_that_restarts_costs_nothing(project: Project, tmp_path: Path) -> None:
    server = Server(free_port())
    environment = {
        **os.environ,
        "PREFECT_HOME": str(tmp_path),
        "PREFECT_API_URL": f"http://127.0.0.1:{server.port}/api",
        "PYTHONPATH": str(CODE),
    }
    start = ["server", "start", "--host", "127.0.0.1", "--port", str(server.port)]
    project.set_param("train", "steps", 90)
    project.set_param("train", "seconds", 0.2)
    with held(start, project.root, environment, tmp_path):
        wait_until(server.answers, 120)
        process = subprocess.Popen([sys.executable, "-m", "pipeline", "run"], cwd=project.root, env=environment)
        wait_until(lambda: "Running" in server.tasks().values(), 120)
    assert not server.answers() and process.poll() is None
    with held(start, project.root, environment, tmp_path):
        assert process.wait(200) == 0
        (run,) = server.post("flow_runs/filter")
        assert run["state"]["message"] == "5 RAN, 2 CACHED"
    assert not children_of(project.root)
    assert no_locks(project)
    assert "up to date" in project.dvc("status")


def test_a_schedule_fires(project: Project, server: Server) -> None:
    (deployment,) = server.post("deployments/filter")
    assert [(entry["slug"], entry["active"]) for entry in deployment["schedules"]] == [("nightly", False)]
    schedule = {"schedule": {"interval": 30, "timezone": "UTC"}, "active": True}
    path = f"http://127.0.0.1:{server.port}/api/deployments/{deployment['id']}/schedules"
    (added,) = httpx.post(path, json=[schedule], timeout=30).raise_for_status().json()

    def fired() -> bool:
        found = server.post("flow_runs/filter", flow_runs={"state": {"type": {"any_": ["COMPLETED"]}}})
        return any(run["auto_scheduled"] for run in found)

    try:
        wait_until(fired, 100)
    finally:
        # SQLite may be busy with the run that the schedule has just started
        wait_until(lambda: httpx.delete(f"{path}/{added['id']}", timeout=30).is_success, 60)
