"""Run one program in a sandbox, within limits, and say how it ended.

Around each program: bubblewrap with namespaces of its own (no network, no other processes, no host files but the
system's libraries and a Python without packages, read-only), a private /tmp of bounded size and no /proc; a system-call
filter; limits on CPU time, address space, threads, files and output. Nothing of it survives the program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from effopd.errors import MachineError
from effopd.files import claimed_folder, remove_if_unclaimed
from effopd.sandbox import users
from effopd.sandbox.seccomp import UnknownArchitectureError, filter_bytes
from effopd.sandbox.watch import Limits, Outcome, watch

BOX = "/box"  # where a program finds its files, read-only
PYTHON = f"/python/bin/python3.{sys.version_info.minor}"  # and the interpreter that also runs this module

_ADVICE = "install bubblewrap (apt-get install bubblewrap, dnf install bubblewrap) or use a machine that allows it"
_BOXES = "effopd-box-"  # in the folder for temporary files
_LIBRARIES = ("/usr/lib", "/usr/lib32", "/usr/lib64")
_COMPILERS = ("/usr/bin", "/usr/libexec", "/usr/include")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_BUBBLEWRAPS = 2  # its processes around a program: one outside the namespaces, the first one inside


class SandboxError(MachineError):
    """There is no working sandbox on this machine. The message says why and what to do."""


@cache
def check_sandbox() -> None:
    """Raise `SandboxError` unless a program runs in a sandbox here; clear what killed graders left. Once a process."""
    for left in Path(tempfile.gettempdir()).glob(f"{_BOXES}*"):
        remove_if_unclaimed(left)
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
    with claimed_folder(_BOXES) as folder:
        for name, content in {**files, "stdin": stdin}.items():
            (Path(folder) / name).write_bytes(content)
            (Path(folder) / name).chmod(0o555)
        if sandboxed:
            return _run_sandboxed(command, Path(folder), stdin, limits)
        places = {BOX: folder, PYTHON: sys.executable}
        plain = [
            next((real + word[len(p) :] for p, real in places.items() if word.startswith(p)), word) for word in command
        ]
        process = _start([*_limited(limits, threads=None), *plain], directory=folder)
        return watch(process, stdin, limits, most_tasks=None)


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
        outcome = watch(process, stdin, limits, most_tasks=limits.threads + _BUBBLEWRAPS)
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
        "--die-with-parent", "--hostname", "box", "--clearenv",
        *(word for path in top if path.is_symlink() for word in ("--symlink", str(path.readlink()), str(path))),
        *_visible(compiling=limits.processes),
        "--ro-bind", str(box), BOX,
        "--tmpfs", "/dev", *(word for name in _DEVICES for word in ("--dev-bind", f"/dev/{name}", f"/dev/{name}")),
        "--symlink", f"{BOX}/stdin", "/dev/stdin", "--remount-ro", "/dev",  # there is no /proc for it to lead to
        "--perms", "1777", "--size", str(limits.scratch), "--tmpfs", "/tmp",  # noqa: S108 - the program's own
        "--remount-ro", "/", "--chdir", "/tmp",  # noqa: S108
        "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8", "--setenv", "HOME", "/tmp",  # noqa: S108
        "--setenv", "LD_LIBRARY_PATH", "/python/lib", "--setenv", "ONLINE_JUDGE", "1",
        "--seccomp", str(filter_fd), "--json-status-fd", str(status_fd), "--",
    ]  # fmt: skip


def _visible(*, compiling: bool) -> Iterator[str]:
    """What is seen of the machine: libraries and the interpreter, the same for every verdict, and for compilers theirs.

    No packages of any Python: what a program may import would depend on the machine.
    """
    for folder in ("/usr", "/usr/bin", "/python", "/python/bin"):  # others than root may enter what is bound below them
        yield from ("--perms", "0755", "--dir", folder)
    merged = Path("/lib").is_symlink()
    folders = [*_LIBRARIES, *([] if merged else ["/lib", "/lib32", "/lib64"])]
    folders += [*_COMPILERS, *([] if merged else ["/bin"])] if compiling else []
    for folder in folders:
        yield from ("--ro-bind-try", folder, folder)
    if not compiling:
        for tool in ("prlimit", "setpriv"):
            if found := shutil.which(tool):
                yield from ("--ro-bind", os.path.realpath(found), f"/usr/bin/{tool}")
    base = Path(sys.base_prefix)
    yield from ("--ro-bind", f"{base}/bin/{Path(PYTHON).name}", PYTHON)
    for name in ("lib", "lib64"):
        yield from ("--ro-bind-try", f"{base}/{name}", f"/python/{name}")
    for real, seen in ((Path("/usr"), "/usr"), (base, "/python")):
        for packages in real.glob("lib*/python3*/*-packages"):
            if packages.is_dir() and not any(part.is_symlink() for part in (packages, *packages.parents)):
                place = f"{seen}/{packages.relative_to(real)}"
                yield from ("--size", "4096", "--tmpfs", place, "--remount-ro", place)


def _limited(limits: Limits, threads: int | None) -> list[str]:
    # the second CPU second is for programs that catch the first signal; the kernel kills them then
    return [
        "prlimit", f"--cpu={limits.cpu_seconds}:{limits.cpu_seconds + 1}", f"--as={limits.memory}",
        f"--stack={limits.memory // 8}", f"--fsize={limits.scratch}", "--nofile=64", "--core=0", "--sigpending=256",
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
            pass_fds=inherited, start_new_session=True,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "ONLINE_JUDGE": "1"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise SandboxError(f"{error.filename} is not installed: {_ADVICE}") from None


def _readable(data: bytes) -> int:
    """A descriptor from which `data`, smaller than a pipe's buffer, is read once."""
    reading, writing = os.pipe()
    try:
        os.write(writing, data)
    finally:
        os.close(writing)
    return reading
