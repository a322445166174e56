"""Gather how long each run took on the machine that trained it.

Seconds are measurements, not results: they differ on every run. Kept out of the training stages' outputs, those are the
same bytes each time; gathered here, the report has them and DVC keeps them with the rest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from effopd.files import read_jsonl, write_json
from effopd.params.opd import OPDParams
from effopd.params.run import RunParams
from effopd.params.runs import planned_runs
from effopd.trajectory.layout import METRICS, timing_file
from stages.harness import MODELS, SCRATCH, Stage, run

TIMING = Path("reports/timing.json")


def main() -> None:
    """Write reports/timing.json: for each run the rows {step, seconds, cpu_seconds, …}; null if not timed here."""
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("seed", "threads", "device"))
    opd = stage.params("opd", OPDParams, unused=tuple(OPDParams.model_fields.keys() - {"sweep"}))
    seconds: dict[str, Any] = {}
    for trained in sorted(MODELS / planned.name for planned in planned_runs(shared.replicates, opd.sweep)):
        if not trained.is_dir():
            continue
        stage.input(trained / METRICS)  # all that is read of a run: its checkpoints can be terabytes
        file = timing_file(SCRATCH, trained)
        seconds[trained.name] = read_jsonl(stage.input(file)) if file.exists() else None
    stage.check_unchanged()
    write_json(TIMING, seconds)
    missing = [name for name, rows in seconds.items() if rows is None]
    elsewhere = f"; trained elsewhere: {', '.join(missing)}" if missing else ""
    print(f"{TIMING}: seconds of {len(seconds) - len(missing)} runs{elsewhere}")


if __name__ == "__main__":
    run(main)
