"""Run one stage through DVC as a process in its own session, and say how it ended.

`dvc --wait-for-lock repro --single-item STAGE` does the work, so hashing, the run-cache and dvc.lock stay DVC's. The
stage is held by `leash`: stopping it, a timeout, or the sudden death of this process ends the whole process group.
"""

import os
import re
import selectors
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.dvc_process import DvcProcess
from pipeline.held import ended, leashed, project_environment
from pipeline.outcome import Outcome

PATIENCE = 4.0  # seconds between SIGINT, SIGTERM and SIGKILL: the group is gone within 12 s
TICK = 0.5  # seconds between two looks at the clock and the stop flag
TAIL = 40  # last lines kept to explain a failure

# The ends of a command that another try can cure. Signals as subprocess (-9) and as a shell (137) report them.
KILLED = {number for signal in (1, 9, 15) for number in (-signal, 128 + signal)}
OUT_OF_MEMORY = re.compile(r"MemoryError|out of memory|OutOfMemoryError|Cannot allocate memory|std::bad_alloc", re.I)
LOST_LOCK = re.compile(r"Unable to acquire lock|is busy, it is being blocked by")


@dataclass(frozen=True)
class StageResult:
    """How one stage ended: wall seconds, one line of explanation for a failure, and whether a retry may cure that."""

    outcome: Outcome
    seconds: float
    message: str = ""
    transient: bool = False


def run_stage(
    dvc: DvcProcess,
    root: Path,
    stage: str,
    *,
    force: bool = False,
    pull: bool = False,
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
    lock: int | None = None,
    on_line: Callable[[str], None] = print,
) -> StageResult:
    """Reproduce one stage of the project at `root` by the Python of `dvc` and wait for it; its inputs must be in place.

    `pull` also accepts finished runs from the DVC remote. `on_line` gets every line that DVC and the stage print.
    Setting `stop` ends the stage. The descriptor `lock` stays open until the stage's last process is gone. A failure is
    a result, never an exception.
    """
    command = [dvc.python, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", stage]
    command += ["--force"] * force + ["--pull"] * pull
    started = time.monotonic()
    leash = subprocess.Popen(
        leashed(command, PATIENCE),
        cwd=root,
        env={**project_environment(dvc.python), **(environment or {}), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=() if lock is None else (lock,),
    )
    assert leash.stdin is not None
    tail: deque[str] = deque(maxlen=TAIL)
    outcome: Outcome | None = None
    ended_by = ""
    for line in _lines(leash):
        if line is None:
            if not ended_by and stop is not None and stop.is_set():
                ended_by = "stopped"
            if not ended_by and timeout is not None and time.monotonic() - started > timeout:
                ended_by = f"timed out after {timeout:g} s"
            if ended_by and not leash.stdin.closed:
                leash.stdin.close()
            continue
        if outcome is not Outcome.RAN:  # what follows is said by the stage itself
            outcome = outcome_of(line, stage) or outcome
        tail.append(line)
        on_line(line)
    status = ended(leash)
    leash.stdin.close()
    seconds = time.monotonic() - started
    if status != 0 or ended_by:
        dvc.release_dead_locks(root)
    if ended_by:
        return StageResult(Outcome.FAILED, seconds, ended_by)
    if status != 0:
        return StageResult(Outcome.FAILED, seconds, explain(tail, status), is_transient(tail, status))
    # DVC says nothing of a data source that it has only checked again.
    return StageResult(outcome or Outcome.RAN, seconds)


def outcome_of(line: str, stage: str) -> Outcome | None:
    """The outcome that a line of `dvc repro` announces for the stage, if it does."""
    if line == f"Running stage '{stage}':":
        return Outcome.RAN
    if line in (f"Stage '{stage}' didn't change, skipping", f"'{stage}' didn't change, skipping"):
        return Outcome.CACHED
    if line.startswith((f"Stage '{stage}' is cached - skipping run", f"Pulling data for stage: '{stage}'")):
        return Outcome.RESTORED
    return None


def is_transient(tail: deque[str], status: int) -> bool:
    """Whether another try may help: the stage was killed, ran out of memory, or DVC lost a lock to somebody else."""
    text = "\n".join(tail)
    exits = [status, *(int(code) for code in re.findall(r"exited with (-?\d+)", text))]
    return any(code in KILLED for code in exits) or bool(OUT_OF_MEMORY.search(text) or LOST_LOCK.search(text))


def explain(tail: deque[str], status: int) -> str:
    """One line: the last thing that the stage itself said, and how its command ended, in all of DVC's words."""
    said = [line.strip() for line in tail if line.strip()]
    ended = next((index for index, line in enumerate(said) if line.startswith("ERROR: ")), len(said))
    error = " ".join(line.removeprefix("ERROR: ") for line in said[ended:]) or f"exited with {status}"
    own = [line for line in said[:ended] if not line.startswith(("Running stage ", "> ", "WARNING: "))]
    return f"{own[-1]} ({error})" if own else error


def _lines(process: "subprocess.Popen[bytes]") -> Iterator[str | None]:
    """Lines as they come, None at every tick; ends when the process has ended. A progress bar's redraws are dropped."""
    assert process.stdout is not None
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        next_tick = time.monotonic() + TICK
        while True:
            if selector.select(timeout=max(0.0, next_tick - time.monotonic())):
                chunk = os.read(process.stdout.fileno(), 65536)
                *complete, pending = (pending + chunk).split(b"\n")
                yield from map(_readable, complete)
                if not chunk:
                    break
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + TICK
                yield None
                if process.poll() is not None and not selector.select(timeout=0):
                    break  # something that the stage left behind still holds the pipe
    if pending:
        yield _readable(pending)
    process.stdout.close()


def _readable(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").rstrip("\r").rpartition("\r")[2]
