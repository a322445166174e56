"""Two hundred hostile programs: none gets out, and none outlives or overtaxes its sandbox."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import hostile_programs
import pytest
from installed import needs_bubblewrap

from effopd.sandbox import programs
from effopd.sandbox.watch import Limits, Outcome

pytestmark = [needs_bubblewrap, pytest.mark.slow]

LIMITS = Limits(cpu_seconds=1, sleep_seconds=1, memory=512 << 20, scratch=8 << 20, output=1 << 20)


def kept_by_the_kernel() -> int:
    """Bytes for files, sockets, stacks and the like."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(fields[name].split()[0]) << 10 for name in ("Slab", "KernelStack", "PageTables"))


@contextmanager
def little_is_taken() -> Iterator[None]:
    """While the block runs, neither the grader nor the kernel needs much more memory than before."""
    grader, kernel, peak, over = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, kept_by_the_kernel(), 0, Event()

    def look() -> None:
        nonlocal peak
        while not over.wait(0.01):
            peak = max(peak, kept_by_the_kernel() - kernel)

    looking = Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grader < 64 << 10, "in KiB"
    assert peak < 256 << 20


def contained(outcome: Outcome) -> None:
    assert b"BREACH" not in outcome.stdout, outcome  # complaints quote the program
    assert len(outcome.stdout) <= LIMITS.output


@pytest.mark.parametrize("what", hostile_programs.PYTHON)
def test_a_hostile_program_is_contained(what: str) -> None:
    program = programs.prepare("python", hostile_programs.PYTHON[what])
    assert not isinstance(program, str)
    with little_is_taken():
        contained(program.run(b"", LIMITS))


@pytest.mark.parametrize("what", hostile_programs.CXX)
def test_a_hostile_compiled_program_is_contained(what: str) -> None:
    program = programs.prepare("c++", hostile_programs.CXX[what])
    if isinstance(program, str):
        assert "root:" not in program and len(program) < 20_000
    else:
        contained(program.run(b"", LIMITS))
