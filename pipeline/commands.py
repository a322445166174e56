"""DVC and git as commands: what they complain of becomes one line."""

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.held import project_environment
from pipeline.stage import TICK
from pipeline.workspace import CANCELLED, NEVER

HELP = ("Having any troubles?", "hint: ")


def dvc(root: Path, *args: str, cancelled: threading.Event = NEVER) -> None:
    """Run a command of DVC until it has ended, or end it when `cancelled`; raises PipelineError in one line."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", *args]
    with subprocess.Popen(
        command, cwd=root, env=project_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
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
