"""Names inside a run's folder, and where its seconds are kept."""

from __future__ import annotations

import os
from pathlib import Path

from effopd.files import hash_path

METRICS, TRIGGERS, ABOUT = "metrics.jsonl", "triggers.jsonl", "run.json"


def timing_file(run: Path) -> Path:
    """Where the seconds of a published run are kept on the machine that trained it.

    Named by the content of the run's metrics, and in one folder for all workspaces of a user: a run that comes back
    from a cache finds its own times again, wherever it was trained, and the run's outputs hold none.
    """
    return _costs() / f"{hash_path(run / METRICS)[:32]}.jsonl"


def _costs() -> Path:
    if chosen := os.environ.get("EFFOPD_COSTS"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "effopd" / "costs"
