"""EffOPD: on-policy distillation with the settings of `opd`, and a search along its updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from typer import Option

from effopd.extrapolation.leaps import Leaps
from effopd.params.effopd import EffOPDParams
from effopd.tasks.problems import read_problems
from stages.distilling import DistillingParams, distilling
from stages.harness import Stage
from stages.training import Trainee, run_on_ranks


@dataclass(frozen=True)
class EffOPDStageParams(DistillingParams):
    effopd: EffOPDParams


def main(
    replicate: Annotated[int, Option(min=0, help="Which seed: the same prompts and samples as opd's replicate.")],
) -> None:
    """Train models/effopd-REPLICATE."""
    stage = Stage()
    params = stage.read(EffOPDStageParams, opd=("steps", "sweep", "sweep_steps"))
    validation = read_problems(stage.input("data/validation.parquet"))

    rate, steps = params.opd.learning_rate, params.effopd.steps

    def search(trainee: Trainee, seed: int) -> Leaps:
        chunk = params.engine.loss_chunk
        return Leaps(
            params.effopd,
            trainee.engine,
            trainee.sampler,
            validation,
            seed=seed,
            learning_rate=rate,
            loss_chunk=chunk,
        )

    distilling(stage, params, f"effopd-{replicate}", replicate, learning_rate=rate, steps=steps, search=search)


if __name__ == "__main__":
    run_on_ranks(main)
