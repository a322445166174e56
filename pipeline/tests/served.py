"""A project served by `pipeline ui`, Prefect's REST API as the browser uses it, and what must be gone afterwards."""

import base64
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml
from dvc_project import Project, wait_until

from pipeline.server import announced

CODE = Path(__file__).parents[2]
PYTHON = os.environ.get("PREFECT_PYTHON", sys.executable)  # runs Prefect's side; `make test-prefect` names another
FINAL = ("Completed", "Failed", "Crashed", "Cancelled")
PATIENCE = 120.0  # seconds: on a busy machine the server's SQLite alone waits for up to 60 s
QUICK = {  # a person can wait ten seconds for a worker and a minute for a schedule, a test need not
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "3",
}
CHECK_PY = """\
import sys, yaml
if yaml.safe_load(open(sys.argv[1]))["train"]["steps"] < 1:
    sys.exit("train.steps: must be at least 1")
"""


class BySecret(httpx.Auth):
    """Prefect's way to give the secret: the whole of it is what others call user and password."""

    def __init__(self, secret: str) -> None:
        self._header = f"Basic {base64.b64encode(secret.encode()).decode()}"

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:
        request.headers["Authorization"] = self._header
        yield request


@dataclass(frozen=True)
class Server:
    """Prefect's REST API as one of its user's programs uses it, and the process that stands behind it."""

    port: int
    secret: str = ""
    process: int = 0

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def environment(self) -> dict[str, str]:
        """What leads a Prefect program there."""
        return {"PREFECT_API_URL": self.api, "PREFECT_API_AUTH_STRING": self.secret}

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.api}/health", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def request(self, method: str, path: str, json: object = None) -> httpx.Response:
        """With the secret, and for what changes something with a token against forged requests too."""
        with httpx.Client(base_url=self.api, auth=BySecret(self.secret), timeout=PATIENCE) as client:
            if method == "GET":
                return client.get(path)
            token = client.get("/csrf-token", params={"client": "tests"}).raise_for_status().json()["token"]
            tokens = {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "tests"}
            return client.request(method, path, headers=tokens, json=json)

    def post(self, path: str, **body: object) -> Any:
        for _ in range(10):
            answer = self.request("POST", path, body)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:  # the server's SQLite was busy
                break
            time.sleep(0.5)
        answer.raise_for_status()
        return answer.json()

    def deployment(self, name: str = "pipeline") -> dict[str, Any]:
        (found,) = self.post("deployments/filter", deployments={"name": {"any_": [name]}})
        assert isinstance(found, dict)
        return found

    def schedules(self, name: str = "pipeline") -> dict[str, Any]:
        """The schedules of a deployment by their slugs."""
        return {entry["slug"]: entry for entry in self.deployment(name)["schedules"]}

    def change_schedule(self, method: str, slug: str, change: object = None, name: str = "pipeline") -> None:
        path = f"deployments/{self.deployment(name)['id']}/schedules/{self.schedules(name)[slug]['id']}"
        # SQLite may be busy with the run that the schedule has just started
        wait_until(lambda: self.request(method, path, change).is_success, 60)

    def start(self, queue: str = "default", **parameters: object) -> str:
        run = self.post(
            f"deployments/{self.deployment()['id']}/create_flow_run",
            parameters=parameters,
            state={"type": "SCHEDULED"},
            work_queue_name=queue,
        )
        return str(run["id"])

    def run(self, run: str) -> dict[str, Any]:
        return dict(self.request("GET", f"flow_runs/{run}").raise_for_status().json())

    def limit_runs(self, limit: int | None) -> None:
        """How many flow runs the workers of the pool may execute at the same time, all together."""
        self.request("PATCH", "work_pools/dvc", {"concurrency_limit": limit}).raise_for_status()

    def named(self, name: str) -> str:
        """The flow run of this name, or of one that begins so."""
        (found,) = self.post("flow_runs/filter", flow_runs={"name": {"like_": name}})
        return str(found["id"])

    def state(self, run: str) -> tuple[str, str]:
        state = self.run(run)["state"]
        return state["name"], state["message"] or ""

    def finished(self, run: str, seconds: float = 180) -> tuple[str, str]:
        wait_until(lambda: self.state(run)[0] in FINAL, seconds)
        return self.state(run)

    def tasks(self, run: str | None = None) -> dict[str, str]:
        """State by task, of one flow run or of all."""
        found = self.post("task_runs/filter", **({"flow_runs": {"id": {"any_": [run]}}} if run else {}))
        return {task["name"]: task["state_name"] for task in found}

    def artifacts(self, run: str, key: str) -> list[dict[str, Any]]:
        found = self.post("artifacts/filter", artifacts={"flow_run_id": {"any_": [run]}, "key": {"any_": [key]}})
        return list(found)

    def said(self, run: str) -> str:
        """What the run logged."""
        entries = self.post("logs/filter", logs={"flow_run_id": {"any_": [run]}}, sort="TIMESTAMP_ASC")
        return "\n".join(entry["message"] for entry in entries)

    def cancel(self, run: str) -> None:
        self.post(f"flow_runs/{run}/set_state", state={"type": "CANCELLING"})

    def scheduled_runs(self, *states: str) -> list[str]:
        """Runs in one of these states that nobody but a schedule has started."""
        found = self.post("flow_runs/filter", flow_runs={"state": {"type": {"any_": list(states)}}})
        return [run["id"] for run in found if run["auto_scheduled"]]


def free_port() -> int:
    """A free port whose next one, which reports take, is free too; below those that outgoing connections are given."""
    for port in random.sample(range(20_000, 32_000, 2), 100):
        try:
            with socket.socket() as server, socket.socket() as reports:
                server.bind(("127.0.0.1", port))
                reports.bind(("127.0.0.1", port + 1))
                return port
        except OSError:
            continue
    raise AssertionError("no two neighbouring ports are free")


def deploy(finished: Project, root: Path) -> Project:
    """A copy of the finished project that holds this repository's deployment, and a check of its parameters."""
    project = Project(shutil.copytree(finished.root, root))
    settings = yaml.safe_load((CODE / "prefect.yaml").read_text())
    settings["pipeline"] = {"check": "python check.py params.yaml", "report": "report.html", "python": sys.executable}
    project.write("prefect.yaml", yaml.safe_dump(settings))
    project.write("check.py", CHECK_PY)
    (project.root / "pipeline").symlink_to(CODE / "pipeline")
    project.commit("deploy")
    return project


@contextmanager
def served(project: Project, home: Path | None) -> Iterator[Server]:
    """Everything that `make ui` starts, until the block ends; without a home, in the workspace's own.

    In a project without that target, or by another Python, what the target does.
    """
    environment = {**os.environ, **QUICK, **({"PREFECT_HOME": str(home)} if home else {})}
    printed = (home or project.root / ".dvc" / "tmp") / "ui.log"
    port = free_port()
    command = [PYTHON, "-m", "pipeline", "ui", "--port", f"{port}"]
    makefile = CODE / "Makefile"
    if sys.executable == PYTHON and makefile.exists() and "\nui:" in makefile.read_text():
        command = ["make", "--silent", f"--makefile={makefile}", "ui", f"PORT={port}", "READY="]  # it is ready
    with printed.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=project.root,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_until(lambda: b"Open http" in printed.read_bytes() or process.poll() is not None, 150)
            assert process.poll() is None, printed.read_text()
            yield Server(port, announced(project.root)["PREFECT_API_AUTH_STRING"], process.pid)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
            process.wait(60)


def stage_processes(folder: Path) -> list[int]:
    """Processes of stages: those that work in the folder and were started by DVC."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        command = process.info["cmdline"] or []
        if process.info["cwd"] == str(folder) and ("work.py" in command or "repro" in command):
            found.append(process.pid)
    return found
