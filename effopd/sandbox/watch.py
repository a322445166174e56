"""Watch over one process until it ends, and say how: what it said, and which limit it met.

Nothing here depends on how busy the machine is. The kernel counts the processor time that a program was given. Time in
which all of its threads sleep is counted in looks: who waits for a processor or for a disk does not sleep, and where
the machine is too busy to look, no time passes.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from effopd.errors import MachineError

End = Literal["exit", "signal", "cpu time", "sleep", "output", "threads", "files"]

_LOOK_SECONDS = 0.05
_KEPT_STDERR = 8192  # bytes of a program's complaints that are kept, from the end


class NotJudgedError(MachineError):
    """This machine is too busy to let a program come to its end, or to a limit of its own. The message says so."""


@dataclass(frozen=True)
class Limits:
    """What a program may use; memory, scratch and output in bytes.

    cpu_seconds: of one process; a solution has only one. sleep_seconds: in which none of its threads wants to go on.
    memory: address space. scratch: all of /tmp, and the largest file. output: stdout or stderr.
    threads, files: of all its processes, and in all of /tmp, the empty ones too; in a sandbox only.
    processes: whether it may start others, as compilers do.
    patience: seconds by the clock after which nobody can tell.
    """

    cpu_seconds: int = 10
    sleep_seconds: float = 5.0
    memory: int = 1 << 30
    scratch: int = 64 << 20
    output: int = 16 << 20
    threads: int = 64
    files: int = 4096
    processes: bool = False
    patience: float = 900.0


@dataclass(frozen=True)
class Outcome:
    """How a program ended; status is its exit status, or the number of the signal that ended it.

    "threads" is said instead of a limit of time where the program was seen with all the threads that it may have.
    """

    end: End
    status: int
    stdout: bytes
    stderr: str

    @property
    def succeeded(self) -> bool:
        return self.end == "exit" and self.status == 0

    @property
    def doubtful(self) -> bool:
        """Whether the machine may have decided it: one that is out of memory kills programs."""
        return self.end == "signal" and self.status == signal.SIGKILL


@dataclass
class _Seen:
    """What was seen of a program: its output, the end of its complaints, which limit it met if it did not exit.

    crowded: whether it had all the threads that it may have. slept: seconds. used: CPU seconds at the last look.
    """

    stdout: bytearray
    stderr: bytearray
    end: End | None = None
    crowded: bool = False
    slept: float = 0.0
    used: float = 0.0


def watch(process: subprocess.Popen[bytes], stdin: bytes, limits: Limits, most_tasks: int | None) -> Outcome:
    """Feed the program, collect what it says up to the limits, and end it when it meets one.

    most_tasks: as many threads of `process` and all below it are all that they may have; None without a sandbox.
    Raises `NotJudgedError`.
    """
    try:
        seen = _exchange(process, stdin, limits, most_tasks)
    finally:
        _end(process)
    outcome = _ended(process.returncode, seen, limits)
    return replace(outcome, end="threads") if seen.crowded and outcome.end in ("cpu time", "sleep") else outcome


def _ended(status: int, seen: _Seen, limits: Limits) -> Outcome:
    stdout, stderr = bytes(seen.stdout), seen.stderr.decode("utf-8", "replace")
    if seen.end is not None:
        return Outcome(seen.end, 0, stdout, stderr)
    number = -status if status < 0 else max(status - 128, 0)  # bubblewrap adds 128 to the signal's number
    if not number:
        return Outcome("exit", status, stdout, stderr)
    # the kernel sends the first at the limit, and the second to whoever goes on for a second more
    out_of_time = number == signal.SIGXCPU or (number == signal.SIGKILL and seen.used >= limits.cpu_seconds)
    return Outcome("cpu time" if out_of_time else "signal", number, stdout, stderr)


def _exchange(process: subprocess.Popen[bytes], stdin: bytes, limits: Limits, most_tasks: int | None) -> _Seen:
    """Until the program exits or meets a limit."""
    assert process.stdin and process.stdout and process.stderr
    seen, complaints = _Seen(bytearray(), bytearray()), 0
    unsent = memoryview(stdin)
    began = time.monotonic()
    deadline, next_look = began + limits.patience, began + _LOOK_SECONDS
    exited = os.pidfd_open(process.pid)
    for pipe in (process.stdin, process.stdout, process.stderr):
        os.set_blocking(pipe.fileno(), False)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(exited, selectors.EVENT_READ)
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stderr, selectors.EVENT_READ)
            selector.register(process.stdin, selectors.EVENT_WRITE)
            while True:
                ready = {key.fileobj for key, _ in selector.select(max(0.0, next_look - time.monotonic()))}
                if process.stdin in ready:
                    unsent = _send(process.stdin.fileno(), unsent)
                    if not unsent:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                for pipe in (process.stdout, process.stderr):
                    if pipe not in ready and exited not in ready:
                        continue
                    while chunk := _receive(pipe.fileno()):
                        if pipe is process.stdout:
                            seen.stdout += chunk
                        else:
                            complaints += len(chunk)
                            seen.stderr = (seen.stderr + chunk)[-_KEPT_STDERR:]
                        if max(len(seen.stdout), complaints) > limits.output:
                            del seen.stdout[limits.output :]
                            seen.end = "output"
                            return seen
                        if time.monotonic() > deadline:
                            break
                    if chunk == b"" and pipe in ready:
                        selector.unregister(pipe)
                if exited in ready:
                    return seen
                if (now := time.monotonic()) >= next_look:  # whoever waited for its input or output runs again
                    if now >= deadline:
                        raise NotJudgedError(
                            f"a program was not at its end after {limits.patience:g} s, since this machine is too "
                            "busy: run it again when less runs beside it; it goes on from what is done"
                        )
                    seen.end = _look(process.pid, seen, limits, most_tasks)
                    if seen.end is not None:
                        return seen
                    next_look = now + _LOOK_SECONDS
    finally:
        os.close(exited)


def _look(process: int, seen: _Seen, limits: Limits, most_tasks: int | None) -> End | None:
    """Note what the program's threads do, and say which limit it has met."""
    states, used, last = _tasks(process)
    seen.used = max(seen.used, used)
    if most_tasks is not None:
        seen.crowded = seen.crowded or len(states) >= most_tasks
        if _files(last) > limits.files:
            return "files"
    if states and not set(states) & set("RD"):  # proc(5): none runs or could, none waits for a disk
        seen.slept += _LOOK_SECONDS
    return "sleep" if seen.slept > limits.sleep_seconds else None


def _tasks(process: int) -> tuple[str, float, int]:
    """Of a process and all below it: the states of all threads, the most CPU seconds of one, and the last one found.

    Fewer where one ends meanwhile, none where the kernel tells of none.
    """
    states, used, last, unseen = "", 0.0, process, [process]
    with contextlib.suppress(OSError):
        while unseen:
            last = unseen.pop()
            user, system = _stat(f"/proc/{last}/stat")[11:13]
            used = max(used, (int(user) + int(system)) / os.sysconf("SC_CLK_TCK"))
            for task in Path(f"/proc/{last}/task").iterdir():
                states += _stat(f"{task}/stat")[0]
                unseen += map(int, (task / "children").read_text().split())
    return states, used, last


def _stat(file: str) -> list[str]:
    """The fields of proc(5) behind the name, which may hold anything: the state is the first."""
    return Path(file).read_text().rpartition(")")[2].split()


def _files(process: int) -> int:
    """How many files and folders there are in the /tmp of a process that has a root of its own; else 0."""
    try:
        root = Path(f"/proc/{process}/root")
        if root.samefile("/"):
            return 0
        found = os.statvfs(root / "tmp")
    except OSError:
        return 0
    return found.f_files - found.f_ffree


def _send(descriptor: int, unsent: memoryview) -> memoryview:
    """Write what fits; what is left. A program that does not read its input is no error."""
    try:
        return unsent[os.write(descriptor, unsent[:65536]) :] if unsent else unsent
    except BlockingIOError:
        return unsent
    except BrokenPipeError:
        return unsent[:0]


def _receive(descriptor: int) -> bytes | None:
    """What is there to read, b"" at the end, None where there is nothing yet."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program's session, reap it and close its pipes, whatever state it is in."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # the session's leader is bubblewrap: the whole sandbox dies with it
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()
