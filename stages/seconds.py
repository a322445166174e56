"""How long one run took, step by step, on the machine that trained it.

Seconds are measurements, not results: they differ on every run. Kept out of the training stages' outputs, those are the
same bytes each time. An output of this stage, which depends on what the run measured, DVC keeps them under that content
and shares them with other machines.
"""

from __future__ import annotations

from pathlib import Path

from effopd.files import read_jsonl, write_jsonl
from effopd.trajectory.layout import METRICS, timing_file
from stages.harness import MODELS, Stage, run
from stages.which_run import Method, Rate, Replicate, named

SECONDS = Path("reports/seconds")


def main(method: Method, replicate: Replicate = None, rate: Rate = None) -> None:
    """Write reports/seconds/RUN.jsonl: rows {step, seconds, cpu_seconds, …}; none where the run was trained elsewhere
    and its seconds have not come along."""
    stage = Stage()
    name = named(method, replicate, rate)
    stage.input(MODELS / name / METRICS)
    kept = timing_file(MODELS / name)
    rows = read_jsonl(stage.input(kept)) if kept.exists() else []
    write_jsonl(stage.output(SECONDS / f"{name}.jsonl"), rows)
    stage.publish()
    print(f"{name}: {len(rows)} steps" if rows else f"{name}: trained elsewhere, and its seconds are not here")


if __name__ == "__main__":
    run(main)
