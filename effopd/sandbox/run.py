"""Run one program in a sandbox, within limits, and say how it ended.

Around each program: bubblewrap with namespaces of its own (no network, no other processes, no host files but the
system's programs and libraries, read-only), a private /tmp of bounded size and no /proc; a system-call filter; limits
on CPU time, address space, threads, file size, open files and output. Nothing of it survives the program.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from effopd.errors import MachineError
from effopd.sandbox import users
from effopd.sandbox.seccomp import UnknownArchitectureError, filter_bytes

BOX = "/box"  # where a program finds its files, read-only
PYTHON = f"/python/bin/python3.{sys.version_info.minor}"  # and the interpreter that also runs this module

End = Literal["exit", "signal", "cpu time", "wall time", "output", "threads"]

_ADVICE = "install bubblewrap (apt-get install bubblewrap, dnf install bubblewrap) or use a machine that allows it"
_SYSTEM = ("/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/include")
_KEPT_STDERR = 8192  # bytes of a program's complaints that are kept, from the end
_BUBBLEWRAPS = 2  # its processes around a program: one outside the namespaces, the first one inside
_LOOK_SECONDS = 0.1  # between two looks at how many threads a program has


class SandboxError(MachineError):
    """There is no working sandbox on this machine. The message says why and what to do."""


@dataclass(frozen=True)
class Limits:
    """What a program may use; memory, scratch and output in bytes.

    cpu_seconds: of one process; a solution has only one. threads: of all its processes, in a sandbox only.
    wall_seconds: by the clock, far above the CPU time: it ends programs that sleep or wait.
    memory: address space. scratch: all of /tmp, and the largest file. output: stdout or stderr.
    processes: whether it may start others, as compilers do.
    """

    cpu_seconds: int = 10
    wall_seconds: float = 40.0
    memory: int = 1 << 30
    scratch: int = 64 << 20
    output: int = 16 << 20
    threads: int = 64
    processes: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a program ended; status is its exit status, or the number of the signal that ended it.

    "threads" is said instead of a time limit where the program was seen with all the threads that it may have.
    """

    end: End
    status: int
    stdout: bytes
    stderr: str

    @property
    def succeeded(self) -> bool:
        return self.end == "exit" and self.status == 0


@cache
def check_sandbox() -> None:
    """Raise `SandboxError` unless a program runs in a sandbox here. Asked once a process."""
    outcome = run([PYTHON, "-I", "-S", "-c", "print(6 * 7)"], files={}, stdin=b"", limits=Limits())
    if outcome.stdout != b"42\n":
        raise SandboxError(f"a first program failed in the sandbox ({outcome.end}: {outcome.stderr[-200:]!r})")


def run(
    command: Sequence[str], *, files: Mapping[str, bytes], stdin: bytes, limits: Limits, sandboxed: bool = True
) -> Outcome:
    """Run `command` in a world that holds `files`, by name under /box, and wait for its end.

    sandboxed=False keeps the limits and drops everything else, for machines without bubblewrap and at the user's own
    risk: the program then sees this machine. Raises `SandboxError` when a sandbox cannot be set up.
    """
    with tempfile.TemporaryDirectory(prefix="effopd-box-") as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
            (Path(folder) / name).chmod(0o555)
        if sandboxed:
            return _run_sandboxed(command, Path(folder), stdin, limits)
        places = {BOX: folder, PYTHON: sys.executable}
        plain = [
            next((real + word[len(p) :] for p, real in places.items() if word.startswith(p)), word) for word in command
        ]
        process = _start([*_limited(limits, threads=None), *plain], directory=folder)
        return _supervise(process, stdin, limits, most_tasks=None)


def _run_sandboxed(command: Sequence[str], box: Path, stdin: bytes, limits: Limits) -> Outcome:
    try:
        user = users.own_user()
        filter_fd = _readable(filter_bytes(limits.processes))
    except (UnknownArchitectureError, users.NoNamespaceError) as error:
        raise SandboxError(str(error)) from None
    report_fd, status_fd = os.pipe()
    try:
        around = _bubblewrap(box, limits, filter_fd, status_fd, user)
        if user is None:
            threads = limits.threads + 1 if users.counted_by_namespace() else None  # bubblewrap's process counts
            inside = _limited(limits, threads)
        else:
            os.chown(box, user.number, user.number)
            inside = [*_limited(limits, limits.threads), *_becoming(user.number)]
        inherited = [filter_fd, status_fd, *([] if user is None else [user.namespace])]
        process = _start([*around, *inside, *command], inherited=inherited)
    except BaseException:
        os.close(report_fd)
        raise
    finally:
        os.close(filter_fd)
        os.close(status_fd)
    with open(report_fd, "rb") as report:  # noqa: PTH123 - a descriptor, not a path
        outcome = _supervise(process, stdin, limits, most_tasks=limits.threads + _BUBBLEWRAPS)
        if outcome.end == "exit" and outcome.status and b"exit-code" not in report.read():
            # bubblewrap reports an exit code for a program that it started, whatever that program pretends
            reason = outcome.stderr.strip().splitlines() or ["no reason given"]
            raise SandboxError(f"the sandbox cannot be set up ({reason[0]}): {_ADVICE}")
    return outcome


def _bubblewrap(box: Path, limits: Limits, filter_fd: int, status_fd: int, user: users.User | None) -> list[str]:
    if user is None:
        namespace = ["--unshare-user", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"]
    else:  # root until the program becomes its user. It inherits the descriptor, but setns is refused
        namespace = ["--userns", str(user.namespace), "--uid", "0", "--gid", "0"]
        namespace += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    top = [path for name in ("bin", "lib", "lib32", "lib64") if (path := Path("/", name)).is_dir()]
    return [
        "bwrap", *namespace, "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try",
        "--die-with-parent", "--hostname", "box", "--clearenv", "--perms", "0755", "--dir", "/usr",
        *(word for path in _SYSTEM for word in ("--ro-bind-try", path, path)),
        *(word for path in top if path.is_symlink() for word in ("--symlink", str(path.readlink()), str(path))),
        *(word for path in top if not path.is_symlink() for word in ("--ro-bind", str(path), str(path))),
        "--ro-bind", sys.base_prefix, "/python",
        "--ro-bind", str(box), BOX,
        "--dev", "/dev", "--remount-ro", "/dev",
        "--perms", "1777", "--size", str(limits.scratch), "--tmpfs", "/tmp",  # noqa: S108 - the program's own
        "--remount-ro", "/", "--chdir", "/tmp",  # noqa: S108
        "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8", "--setenv", "HOME", "/tmp",  # noqa: S108
        "--setenv", "LD_LIBRARY_PATH", "/python/lib",
        "--seccomp", str(filter_fd), "--json-status-fd", str(status_fd), "--",
    ]  # fmt: skip


def _limited(limits: Limits, threads: int | None) -> list[str]:
    # the second CPU second is for programs that catch the first signal; the kernel kills them then
    return [
        "prlimit", f"--cpu={limits.cpu_seconds}:{limits.cpu_seconds + 1}", f"--as={limits.memory}",
        f"--stack={limits.memory // 8}", f"--fsize={limits.scratch}", "--nofile=64", "--core=0",
        *([] if threads is None else [f"--nproc={threads}"]), "--",
    ]  # fmt: skip


def _becoming(number: int) -> list[str]:
    # who stops being root loses all capabilities
    return ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups", "--inh-caps=-all", "--"]


def _start(
    command: list[str], *, inherited: Sequence[int] = (), directory: str | None = None
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, cwd=directory,
            pass_fds=inherited, start_new_session=True, env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise SandboxError(f"{error.filename} is not installed: {_ADVICE}") from None


def _supervise(process: subprocess.Popen[bytes], stdin: bytes, limits: Limits, most_tasks: int | None) -> Outcome:
    """Feed the program, collect what it says up to the limits, and end it when its time is over.

    most_tasks: as many threads of `process` and all below it are all that they may have.
    """
    began = time.monotonic()
    try:
        said = _exchange(process, stdin, limits, began + limits.wall_seconds, most_tasks)
        elapsed = time.monotonic() - began
    finally:
        _end(process)
    outcome = _ended(process.returncode, said, elapsed, limits)
    return replace(outcome, end="threads") if said.crowded and outcome.end in ("cpu time", "wall time") else outcome


def _ended(status: int, said: _Exchange, elapsed: float, limits: Limits) -> Outcome:
    stdout, stderr = bytes(said.stdout), said.stderr.decode("utf-8", "replace")
    if said.end is not None:
        return Outcome(said.end, 0, stdout, stderr)
    number = -status if status < 0 else max(status - 128, 0)  # bubblewrap adds 128 to the signal's number
    if not number:
        return Outcome("exit", status, stdout, stderr)
    out_of_time = number in (signal.SIGXCPU, signal.SIGKILL) and elapsed * (os.cpu_count() or 1) >= limits.cpu_seconds
    return Outcome("cpu time" if out_of_time else "signal", number, stdout, stderr)


@dataclass
class _Exchange:
    """What was seen of a program: its output, the end of its complaints, which limit it met if it did not exit.

    crowded: whether it had all the threads that it may have.
    """

    stdout: bytearray
    stderr: bytearray
    end: End | None = None
    crowded: bool = False


def _exchange(
    process: subprocess.Popen[bytes], stdin: bytes, limits: Limits, deadline: float, most_tasks: int | None
) -> _Exchange:
    """Until the program exits or meets a limit."""
    assert process.stdin and process.stdout and process.stderr
    said, complaints = _Exchange(bytearray(), bytearray()), 0
    unsent = memoryview(stdin)
    next_look = time.monotonic() + _LOOK_SECONDS if most_tasks is not None else deadline
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
                now = time.monotonic()
                if most_tasks is not None and now >= next_look:
                    said.crowded = said.crowded or _tasks(process.pid) >= most_tasks
                    next_look = now + _LOOK_SECONDS
                if now >= deadline:
                    said.end = "wall time"
                    return said
                ready = {key.fileobj for key, _ in selector.select(max(0, min(deadline, next_look) - now))}
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
                            said.stdout += chunk
                        else:
                            complaints += len(chunk)
                            said.stderr = (said.stderr + chunk)[-_KEPT_STDERR:]
                        if max(len(said.stdout), complaints) > limits.output:
                            del said.stdout[limits.output :]
                            said.end = "output"
                            return said
                        if time.monotonic() > deadline:
                            break
                    if chunk == b"" and pipe in ready:
                        selector.unregister(pipe)
                if exited in ready:
                    process.wait()
                    return said
    finally:
        os.close(exited)


def _tasks(process: int) -> int:
    """The threads of a process and of all below it; too few where one ends meanwhile, 0 where the kernel tells none."""
    count, unseen = 0, [str(process)]
    with contextlib.suppress(OSError):
        while unseen:
            for task in Path(f"/proc/{unseen.pop()}/task").iterdir():
                count += 1
                unseen += (task / "children").read_text().split()
    return count


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


def _readable(data: bytes) -> int:
    """A descriptor from which `data`, smaller than a pipe's buffer, is read once."""
    reading, writing = os.pipe()
    try:
        os.write(writing, data)
    finally:
        os.close(writing)
    return reading
