"""On-policy distillation from the base to the teacher: one replicate, or one rate of the learning-rate sweep."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from effopd.params.runs import run_name
from stages.distilling import DistillingParams, distilling
from stages.harness import Stage
from stages.ranks import run_on_ranks


def main(
    replicate: Annotated[
        int, Option(min=0, help="Which seed: replicates differ in prompts' order and in samples.")
    ] = 0,
    rate: Annotated[float | None, Option(help="A rate of the sweep, instead of opd.learning_rate.")] = None,
) -> None:
    """Train models/opd-REPLICATE, or models/opd-lr-RATE."""
    stage = Stage()
    theirs = ("sweep_steps",) if rate is None else ("learning_rate", "steps")
    params = stage.read(DistillingParams, opd=("sweep", *theirs))
    opd = params.opd
    if rate is None:
        run, rate, steps = run_name("opd", replicate), opd.learning_rate, opd.steps
    else:
        run, steps = run_name("opd", rate=rate), opd.sweep_steps
    distilling(stage, params, opd, run, replicate, learning_rate=rate, steps=steps)


if __name__ == "__main__":
    run_on_ranks(main)
