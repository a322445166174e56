"""Programs that end with this process, however it ends: each hangs on a leash, see `leash`."""

# mypy: disable-error-code="import-untyped"

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

PATIENCE = 15.0  # seconds between the signals that end a program; a flow needs up to 12 s to end its stages


def leashed(command: Sequence[str], patience: float, signals: str = "INT,TERM,KILL") -> list[str]:
    """The command on a leash, whose other end is its standard input.

    SIGINT comes first because DVC then waits for its stage to end and releases its locks itself.
    """
    return [sys.executable, "-S", "-E", str(Path(__file__).with_name("leash.py")), str(patience), signals, *command]


@contextmanager
def held(
    command: Sequence[str], root: Path, environment: Mapping[str, str], log: Path, *, keeps: Sequence[int] = ()
) -> "Iterator[subprocess.Popen[bytes]]":
    """A long-lived program that ends, with all its children, when the block does. What it prints goes to the file.

    The descriptors in `keeps` stay open in it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as printed:
        process = subprocess.Popen(
            leashed(command, PATIENCE),
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=keeps,
        )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        ended(process)


def ended(leash: "subprocess.Popen[bytes]") -> int:
    """Wait for a leash, which must lead a session, and return its status. What it held ends even if it was killed."""
    status = leash.wait()
    if status < 0:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in (orphans := _session(leash.pid)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            psutil.wait_procs(orphans, timeout=PATIENCE)
    return status


def _session(leader: int) -> list[psutil.Process]:
    """The processes of the session that this process led."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == leader:
                found.append(process)
    return found


def path_first(python: str = sys.executable) -> dict[str, str]:
    """A `python` in a stage's command is this interpreter, also when its environment was never activated."""
    return {"PATH": os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)])}


def project_environment(python: str) -> dict[str, str]:
    """What the project's own programs get: this environment without Prefect's part, which holds secrets, and the
    programs beside the project's `python` first."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | path_first(python)
