"""Right programs that are graded while many sessions compete for one processor: each stays right."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from found import Found

from effopd.tasks.code import CodeTests, verify_all
from effopd.tasks.problems import Problem

PROGRAMS = SESSIONS = 32
BUSY = "while True: pass"


def grade_beside(folder: Path) -> Found:
    """Half of the programs add two numbers, half of them count for a while; one processor is all that there is."""
    test = CodeTests(inputs=["1 2\n", "20 22\n"], outputs=["3\n", "42\n"]).to_json()
    quick = "print(sum(map(int, input().split())))"
    slow = "n = 0\nfor i in range(2_000_000): n += i\n" + quick
    completions = [f"```python\n{program}\n```" for program in (quick, slow)] * (PROGRAMS // 2)
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    sessions = [subprocess.Popen([sys.executable, "-c", BUSY], start_new_session=True) for _ in range(SESSIONS)]
    began = time.monotonic()
    try:
        verdicts = verify_all([Problem("code", "", test)] * PROGRAMS, completions, workers=2)
    finally:
        for session in sessions:
            session.kill()
            session.wait()
        os.sched_setaffinity(0, allowed)
    fell = tuple(f"{number}: {verdict}" for number, verdict in enumerate(verdicts) if verdict.score != 1.0)
    seconds = time.monotonic() - began
    return Found(f"right programs beside {SESSIONS} sessions", PROGRAMS, fell, f"graded in {seconds:.0f} s")
