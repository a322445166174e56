"""Comparisons in processes of their own, one for each thread that asks, so that any of them can be killed."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path

from effopd.files import DataError
from effopd.mathematics import worker

STUCK_SECONDS = 300  # by the clock; the worker's CPU limit ends it long before, unless the machine is suspended


@dataclass(frozen=True)
class Judged:
    right: bool
    reason: str


def ask(gold: str, answer: str, tolerance: float) -> Judged:
    """Compare two answers in this thread's worker; what takes too long or too much memory does not match."""
    own: _Worker | None = getattr(_local, "worker", None)
    if own is None or not own.alive:
        own = _local.worker = _Worker()
    return own.ask({"gold": gold, "answer": answer, "tolerance": tolerance})


class _Worker:
    """One child process; it ends when its input is closed, and so with this process, however that ends."""

    def __init__(self) -> None:
        root = str(Path(worker.__file__).resolve().parents[2])
        path = os.pathsep.join([root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path},
        )
        weakref.finalize(self, _stop, self._process)
        if self._read_line() != b"ready\n":
            raise DataError(f"answers cannot be compared here; try: python -m {worker.__name__}")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: dict[str, str | float]) -> Judged:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            line = self._read_line()
        except BrokenPipeError:
            line = b""
        if not line.endswith(b"\n"):
            _stop(self._process)
            return Judged(False, "the comparison took too long or too much memory")
        return Judged(**json.loads(line))

    def _read_line(self) -> bytes:
        """The next reply; b"" when the worker is gone or stuck."""
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], STUCK_SECONDS)
        return self._process.stdout.readline() if ready else b""


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


_local = threading.local()
