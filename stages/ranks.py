"""A training stage in one process or in several ranks, all of which end when it does.

Between the stage and its ranks stand two processes of DeepSpeed's launcher, which pass no signal on. The stage passes
its own to all that it has started, and each rank ends when the stage or its launcher is there no more, however it went.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from effopd.errors import MachineError
from effopd.params.engine import EngineParams
from effopd.params.section import ParamsError, read_section
from stages.harness import PARAMS, environment, run

PATIENCE = 8.0  # seconds between SIGTERM and SIGKILL
_OWNER = "PYTHON_EFFOPD_STAGE"  # the launcher passes on to other machines what begins with PYTHON
_OF_RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def run_on_ranks(main: Callable[..., None]) -> None:
    """Run a stage's `main` as a command, in this process or in the ranks that `engine` asks for."""
    owner = os.environ.pop(_OWNER, "")
    try:
        params = read_section(PARAMS, "engine", EngineParams)
        if owner:
            end_with(owner)
            run(main)
            return
        for name in _OF_RANKS:  # of whatever else runs here
            os.environ.pop(name, None)
        if params.name == "torch":
            run(main)
        else:
            environment("deepspeed")
            sys.exit(_launched(launch_command(params, sys.argv[1:])))
    except (ParamsError, MachineError) as error:
        sys.exit(f"error: {error}")


def launch_command(params: EngineParams, arguments: list[str]) -> list[str]:
    """DeepSpeed's launcher for the module that this process runs; a free port, so that stages may run side by side."""
    spec = sys.modules["__main__"].__spec__
    assert spec is not None, "stages are run as `python -m`"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    machines = ["--hostfile", params.hostfile] if params.hostfile else ["--num_gpus", str(params.ranks)]
    launcher = [sys.executable, "-m", "deepspeed.launcher.runner", *machines, "--master_port", str(port)]
    return [*launcher, "--no_local_rank", "--module", spec.name, *arguments]


def end_with(owner: str) -> None:
    """End this process, from a thread, as soon as the stage or the launcher that started it has ended.

    owner: HOST:PID of the stage.
    """
    host, _, process = owner.rpartition(":")
    watched = [os.getppid(), *([int(process)] if host == socket.gethostname() else [])]
    try:
        ends = [os.pidfd_open(one) for one in watched]
    except ProcessLookupError:
        os._exit(1)

    def wait() -> None:
        select.select(ends, [], [])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _launched(command: list[str]) -> int:
    """The exit status of a command; SIGINT and SIGTERM of this process end all that it started."""
    process = subprocess.Popen(command, env=os.environ | {_OWNER: f"{socket.gethostname()}:{os.getpid()}"})

    def stop(number: int, _: Any) -> None:
        for another in (signal.SIGINT, signal.SIGTERM):
            signal.signal(another, signal.SIG_IGN)
        _end(process)
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to a process and to all below it, and SIGKILL to those that are still there after a while."""
    import psutil  # type: ignore[import-untyped]  # as DeepSpeed's launcher does

    with suppress(psutil.NoSuchProcess):
        found = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for ending in (psutil.Process.terminate, psutil.Process.kill):
            for one in found:
                with suppress(psutil.NoSuchProcess):
                    ending(one)
            _, found = psutil.wait_procs(found, timeout=PATIENCE)
