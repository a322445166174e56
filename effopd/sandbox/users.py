"""Who a sandboxed program is, so that the kernel counts its threads.

Linux counts the threads of a user within a user namespace (RLIMIT_NPROC, since 5.14), so the namespace that bubblewrap
makes is enough for ordinary users. The machine's root is never refused a thread, in whatever namespace: run by root, a
program becomes a user of its own, with a number that no account has, in a namespace that knows such users.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ALL_USERS = "0 0 4294967295"  # user_namespaces(7): each number stands for itself
_FIRST = 1 << 30  # above the numbers of accounts, subordinate users and containers
_turn = itertools.count()


class NoNamespaceError(RuntimeError):
    """Root cannot make a user namespace here. The message is the reason."""


@dataclass(frozen=True)
class User:
    """A user that only one program is: its number, and a descriptor of the namespace that knows it."""

    number: int
    namespace: int


def own_user() -> User | None:
    """A user for one program that root runs now; None where the program may stay the ordinary user that runs it.

    The numbers of a process repeat after 128 programs. Raises `NoNamespaceError`.
    """
    if os.geteuid() != 0 or Path("/proc/self/uid_map").read_text().split() != _ALL_USERS.split():
        return None  # the root of a container may be an ordinary user outside
    number = _FIRST + (os.getpid() % (1 << 22) << 7) + next(_turn) % 128
    return User(number, _namespace_of_all_users())


@cache
def _namespace_of_all_users() -> int:
    """A descriptor of a user namespace with every user of the machine, made once a process."""
    with subprocess.Popen(
        ["unshare", "--user", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        try:
            process.stdin.write(b"\n")
            if not process.stdout.read(1):  # cat's answer means that the namespace is there
                raise NoNamespaceError(process.stderr.read().decode("utf-8", "replace").strip())
            for kind in ("uid", "gid"):
                Path(f"/proc/{process.pid}/{kind}_map").write_text(_ALL_USERS)
            return os.open(f"/proc/{process.pid}/ns/user", os.O_RDONLY)
        except OSError as error:
            raise NoNamespaceError(f"no user namespace: {error}") from None


def counted_by_namespace() -> bool:
    """Whether this Linux counts threads by namespace; before, a limit also met the user's threads outside."""
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return version is not None and (int(version[1]), int(version[2])) >= (5, 14)
