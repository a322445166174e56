"""Processor time of a benchmark, which other work on the machine leaves as it is."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path


def processor_seconds() -> float:
    """Of this process and the ones that it has started, as far as they have come, and those that have ended too."""
    tick, own = os.sysconf("SC_CLK_TCK"), Path("/proc/self/task")
    children = [child for task in own.iterdir() for child in (task / "children").read_text().split()]
    fields = [Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split() for child in children]
    living = sum(int(field[11]) + int(field[12]) for field in fields) / tick
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + living + ended.ru_utime + ended.ru_stime
