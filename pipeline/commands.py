"""DVC and git as commands: what they complain of becomes one line."""

import contextlib
import subprocess
import threading
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.held import project_environment
from pipeline.stage import TICK
from pipeline.workspace import CANCELLED, NEVER, Workspace

HELP = ("Having any troubles?", "hint: ")


def run_dvc(place: Workspace, *args: str, cancelled: threading.Event = NEVER) -> None:
    """Run a command of DVC until it has ended, or end it when `cancelled`; raises PipelineError in one line."""
    with subprocess.Popen(
        [place.python, "-m", "dvc", "--wait-for-lock", *args],
        cwd=place.root,
        env=project_environment(place.python),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            while not cancelled.is_set():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    _, said = process.communicate(timeout=TICK)
                    break
            else:
                raise PipelineError(CANCELLED)
        finally:
            process.kill()  # unless it has ended
    if process.returncode != 0:
        raise PipelineError(f"dvc {args[0]}: {complaint(said) or f'exited with {process.returncode}'}")


def fetch_results(place: Workspace, cancelled: threading.Event) -> None:
    """Get the history of runs and the recorded outputs from the DVC remote, as far as it has them."""
    run_dvc(place, "pull", "--quiet", "--run-cache", "--allow-missing", cancelled=cancelled)


def push_results(place: Workspace, cancelled: threading.Event) -> None:
    """Send the history of runs and the outputs to the DVC remote."""
    run_dvc(place, "push", "--quiet", "--run-cache", cancelled=cancelled)


def complaint(said: str) -> str:
    """DVC's own reason in one line, without what it says to everybody."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith(HELP)]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return " ".join(" ".join(errors or lines).split())


def git(root: Path, *args: str) -> str:
    """What a git command prints; raises PipelineError in one line."""
    done = subprocess.run(["git", *args], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PipelineError(f"git {args[0]}: {' '.join(done.stderr.split())}")
    return done.stdout
