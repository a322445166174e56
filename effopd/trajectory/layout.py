"""Names inside a run's folder, and where its seconds are kept."""

from __future__ import annotations

from pathlib import Path

from effopd.files import hash_path

METRICS, TRIGGERS, ABOUT = "metrics.jsonl", "triggers.jsonl", "run.json"


def timing_file(scratch: Path, run: Path) -> Path:
    """Where the seconds of a published run are kept on the machine that trained it.

    Named by the content of the run's metrics: a run that comes back from a cache finds its own times again, and the
    run's outputs hold none.
    """
    return scratch / "timing" / f"{hash_path(run / METRICS)[:32]}.jsonl"
