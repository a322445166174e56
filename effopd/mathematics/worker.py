"""The process that compares answers by value: one JSON request a line on stdin, one reply a line on stdout.

The kernel ends it when one comparison takes more CPU time or memory than it may. What is compared is bounded in the
number of its digits, so that this is for what nobody thought of; it does not depend on how busy the machine is.
"""

from __future__ import annotations

import json
import resource
import sys
from functools import lru_cache

from effopd.mathematics.answer import formula
from effopd.mathematics.equality import is_equal
from effopd.mathematics.tex import UnreadableError

CPU_SECONDS = 5
MEMORY = 4 << 30  # bytes of address space


def main() -> None:
    sys.setrecursionlimit(2_000)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))
    reply = sys.stdout
    sys.stdout = sys.stderr
    print("ready", file=reply, flush=True)
    for line in sys.stdin:
        _limit_cpu()
        request = json.loads(line)
        try:
            right, reason = compare(request["gold"], request["answer"], request["tolerance"])
        except (Exception, RecursionError, MemoryError) as error:  # noqa: BLE001 - whatever a model wrote, it gets a verdict
            right, reason = False, f"cannot be compared ({type(error).__name__})"
        print(json.dumps({"right": right, "reason": reason}), file=reply, flush=True)


@lru_cache(maxsize=65_536)  # many samples of one problem come to the same answer
def compare(gold: str, answer: str, tolerance: float) -> tuple[bool, str]:
    """Whether two answers are equal, and why not; numbers may differ by `tolerance`, relative to the gold answer."""
    try:
        expected = formula(gold)
    except UnreadableError as error:
        return False, f"the reference answer is not understood ({error})"
    try:
        found = formula(answer)
        return (True, "equivalent") if is_equal(expected, found, tolerance) else (False, "not equivalent")
    except UnreadableError as error:
        return False, f"not understood ({error})"


def _limit_cpu() -> None:
    """From now on, this many seconds of CPU time until the kernel ends the process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime) + CPU_SECONDS, hard))


if __name__ == "__main__":
    main()
