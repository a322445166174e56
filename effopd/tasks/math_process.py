"""math-verify in processes of their own, one for each thread that asks, so that any comparison can be killed."""

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
from importlib.util import find_spec
from pathlib import Path

from effopd.files import DataError
from effopd.tasks import math_worker

STUCK_SECONDS = 300  # by the clock; the worker's CPU limit ends it long before, unless the machine is suspended


@dataclass(frozen=True)
class Judged:
    right: bool
    reason: str


def ask(gold: str, answer: str, tolerance: float) -> Judged:
    """Compare two answers in this thread's worker; what takes too long or too much memory does not match."""
    worker: _Worker | None = getattr(_local, "worker", None)
    if worker is None or not worker.alive:
        worker = _local.worker = _Worker()
    return worker.ask({"gold": gold, "answer": answer, "tolerance": tolerance})


class _Worker:
    """One child process; it ends when its input is closed, and so with this process, however that ends."""

    def __init__(self) -> None:
        if find_spec("math_verify") is None:
            raise DataError("grading mathematics needs math-verify: pip install -e '.[math]'")
        root = str(Path(math_worker.__file__).resolve().parents[2])
        path = os.pathsep.join([root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", math_worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path},
        )
        weakref.finalize(self, _stop, self._process)
        if self._read_line() != b"ready\n":
            raise DataError("math-verify does not start; try: python -c 'import math_verify'")

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
