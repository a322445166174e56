"""How long one run took, step by step, on the machine that trained it.

Seconds are measurements, not results: they differ on every run. Kept out of the training stages' outputs, those are the
same bytes each time. An output of this stage, which depends on what the run measured, DVC keeps them under that content
and shares them with other machines.
"""

from __future__ import annotations

import sys
from pathlib import Path

from effopd.files import read_jsonl, write_jsonl
from effopd.trajectory.layout import timing_file

SECONDS = Path("reports/seconds")


def main(name: str) -> None:
    """Write reports/seconds/RUN.jsonl: rows {step, seconds, cpu_seconds, …}; none where the run was trained elsewhere
    and its seconds have not come along."""
    kept = timing_file(Path("models") / name)
    rows = read_jsonl(kept) if kept.exists() else []
    write_jsonl(SECONDS / f"{name}.jsonl", rows)
    print(f"{name}: {len(rows)} steps" if rows else f"{name}: trained elsewhere, and its seconds are not here")


if __name__ == "__main__":
    main(sys.argv[1])
