"""Programs in the sandbox, and where nothing stops them."""

from __future__ import annotations

import subprocess
import sys

from effopd.sandbox import programs
from effopd.sandbox.watch import Limits, Outcome

LIMITS = Limits(cpu_seconds=1, sleep_seconds=1, memory=512 << 20, scratch=8 << 20, output=1 << 20)


def python(source: str, *, sandboxed: bool = True, limits: Limits = LIMITS, stdin: bytes = b"") -> Outcome:
    program = programs.prepare("python", source, sandboxed=sandboxed)
    assert not isinstance(program, str)
    return program.run(stdin, limits)


def unlimited(source: str) -> subprocess.Popen[bytes]:
    """The program as a plain process in a session of its own, for programs that bound themselves."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", source],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
