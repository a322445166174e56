"""One command that brings up everything a browser needs: Prefect's server, the deployment, a worker and the reports.

All of it listens on 127.0.0.1 only. Server and worker are held by leashes, so they end with this process, however it
ends; a run that is under way is then stopped with the worker, and the next one goes on from there.
"""

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from pipeline.artifacts import REPORTS_URL
from pipeline.errors import PipelineError
from pipeline.settings import read_settings
from pipeline.stage import path_first

HOST = "127.0.0.1"
POOL = "dvc"
WORKSPACE = "PIPELINE_WORKSPACE"  # tells a worker where its copy of the project is; prefect.yaml refers to it
PATIENCE = 15.0  # seconds between the signals that end server and worker; a flow needs up to 12 s to end its stages
START = 120.0  # seconds until the server must answer


def serve(root: Path, port: int, limit: int) -> None:
    """Bring everything up for the project at `root` and stay until interrupted or until a part of it ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    if _taken(port):
        raise PipelineError(f"port {port} is in use; stop what listens there, or choose another with --port")
    if not (root / "prefect.yaml").exists():
        raise PipelineError(f"{root}: no prefect.yaml; copy one that names the deployment of pipeline/flow.py:repro")
    reports = serve_reports(root, port + 1)
    environment = {
        **os.environ,
        **path_first(),
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_UI_API_URL": f"http://{HOST}:{port}/api",
        # or any page that is open in the same browser could read and start runs
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port},http://localhost:{port}",
        REPORTS_URL: reports,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")])),
    }
    environment.pop(WORKSPACE, None)  # set while deploying, it would be written into the deployment
    logs = root / ".dvc" / "tmp" / "prefect"
    print(f"Starting; messages of the server and the worker go to {logs}")
    try:
        with held(["server", "start", "--host", HOST, "--port", str(port)], root, environment, logs) as server:
            wait_for_server(port, server, logs)
            run_prefect(root, environment, "work-pool", "create", POOL, "--type", "process", known="already exists")
            run_prefect(root, environment, "--no-prompt", "deploy", "--all")
            environment[WORKSPACE] = str(root)
            # its own queue alone, so that a run can be addressed to another machine by the name of another queue
            work = ["worker", "start", "--pool", POOL, "--work-queue", "default", "--limit", str(limit)]
            with held(work, root, environment, logs) as worker:
                print(f"Open http://{HOST}:{port}/deployments to run, schedule and watch. Ctrl-C stops everything.")
                sys.stdout.flush()
                while server.poll() is None and worker.poll() is None:
                    time.sleep(0.5)
                raise PipelineError(f"the {'worker' if server.poll() is None else 'server'} has ended; see {logs}")
    except KeyboardInterrupt:
        print("stopped")


@contextmanager
def held(
    prefect: list[str], root: Path, environment: Mapping[str, str], logs: Path
) -> "Iterator[subprocess.Popen[bytes]]":
    """A long-lived prefect command on a leash: it ends, with all its children, when the block does.

    What it prints goes to a file in `logs`, named after the command: `server.log`.
    """
    leash = [sys.executable, "-S", "-E", str(Path(__file__).with_name("leash.py")), str(PATIENCE)]
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{prefect[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            [*leash, sys.executable, "-m", "prefect", *prefect],
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()


def serve_reports(root: Path, port: int) -> str:
    """Serve the report of the workspace, `/workspace`, and of each copy, `/NAME`; nothing else. Returns the address."""
    report = read_settings(root).report

    class Reports(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = unquote(self.path).strip("/")
            copies = root / ".dvc" / "tmp" / "prefect" / "runs"
            places = {"workspace": root, **({path.name: path for path in copies.iterdir()} if copies.exists() else {})}
            page = places[name] / report if report and name in places else None
            if page is None or not page.is_file():
                self.send_error(404)
                return
            body = page.read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    try:
        server = http.server.ThreadingHTTPServer((HOST, port), Reports)
    except OSError as error:
        raise PipelineError(f"port {port}, for the reports, is in use; choose another --port") from error
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://{HOST}:{port}"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def wait_for_server(port: int, server: "subprocess.Popen[bytes]", logs: Path) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/api/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise PipelineError(f"Prefect's server did not start on port {port}; see {logs / 'server.log'}")


def run_prefect(root: Path, environment: Mapping[str, str], *args: str, known: str = "") -> None:
    """Run a short prefect command; the one error that is `known` is no error."""
    command = [sys.executable, "-m", "prefect", *args]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode != 0 and not (known and known in said):
        raise PipelineError(f"prefect {' '.join(args)}: {' '.join(said.split())}")
