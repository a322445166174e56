"""Gather how long each run took on the machine that trained it, for the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from effopd.files import read_jsonl, write_json
from effopd.params.opd import OPDParams
from effopd.params.run import RunParams
from effopd.params.runs import planned_runs
from stages.harness import Stage, run
from stages.seconds import SECONDS

TIMING = Path("reports/timing.json")


def main() -> None:
    """Write reports/timing.json: for each run the rows {step, seconds, cpu_seconds, …}; null if not timed here."""
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("seed", "threads", "device"))
    opd = stage.params("opd", OPDParams, unused=tuple(OPDParams.model_fields.keys() - {"sweep"}))
    seconds: dict[str, Any] = {}
    for name in sorted(planned.name for planned in planned_runs(shared.replicates, opd.sweep)):
        file = SECONDS / f"{name}.jsonl"
        if file.exists():
            seconds[name] = read_jsonl(stage.input(file)) or None
    write_json(stage.output(TIMING), seconds)
    stage.publish()
    missing = [name for name, rows in seconds.items() if rows is None]
    elsewhere = f"; trained elsewhere: {', '.join(missing)}" if missing else ""
    print(f"{TIMING}: seconds of {len(seconds) - len(missing)} runs{elsewhere}")


if __name__ == "__main__":
    run(main)
