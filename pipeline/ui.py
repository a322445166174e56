"""One command that brings up everything a browser needs: Prefect's server, the deployment, a worker and the reports.

All of it listens on 127.0.0.1 only. Server and worker are held by leashes, so they end with this process, however it
ends; a run that is under way is then stopped with the worker, and the next one goes on from there.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.held import held
from pipeline.reports import REPORTS_URL, serve_reports
from pipeline.server import announce, grant, listen, log_file, prefect_environment, serving, wait_for
from pipeline.settings import folder, read_settings

POOL, QUEUE = "dvc", "default"
WORKSPACE = "PIPELINE_WORKSPACE"  # tells a worker where its copy of the project is; prefect.yaml refers to it


def serve(root: Path, port: int, limit: int) -> None:
    """Bring everything up for the project at `root` and stay until interrupted or until a part of it ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    if not (root / "prefect.yaml").exists():
        raise PipelineError(f"{root}: no prefect.yaml; copy one that names the deployment of pipeline/flow.py:repro")
    read_settings(root)  # which says what is wrong with the file
    listener = listen(port)
    reports = serve_reports(root, port + 1)
    access = grant(listener)
    environment = prefect_environment(root) | access.environment | {REPORTS_URL: reports}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    environment.pop(WORKSPACE, None)  # set while deploying, it would be written into the deployment
    logs = folder(root)
    print(f"Starting; messages of the server and the worker go to {logs}")
    try:
        with announce(root, access) as proof, serving(root, listener, access, keeps=[proof]) as server:
            wait_for(server, access, log_file(root))
            deploy(root, environment)
            environment[WORKSPACE] = str(root)
            # its own queue alone, so that a run can be addressed to another machine by the name of another queue
            work = ["worker", "start", "--pool", POOL, "--work-queue", QUEUE, "--limit", str(limit)]
            command = [sys.executable, "-m", "prefect", *work]
            with held(command, root, environment, logs / "worker.log", keeps=[proof]) as worker:
                print(f"Open {access.link} to run, schedule and watch; Ctrl-C stops everything.")
                sys.stdout.flush()
                while server.poll() is None and worker.poll() is None:
                    time.sleep(0.5)
                raise PipelineError(f"the {'worker' if server.poll() is None else 'server'} has ended; see {logs}")
    except KeyboardInterrupt:
        print("stopped")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def deploy(root: Path, environment: Mapping[str, str]) -> None:
    """Bring the server in line with prefect.yaml. Raises PipelineError with the reason where that fails."""
    command = [sys.executable, "-m", "pipeline.deployments"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout, end="")
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["prefect.yaml could not be deployed"]
        raise PipelineError(said[-1].removeprefix("error: "))
