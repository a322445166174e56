"""EffOPD: on-policy distillation with the settings of `opd`, and a search along its updates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from typer import Option

from effopd.extrapolation.leaps import Leaps
from effopd.params.effopd import EffOPDFreeParams, EffOPDParams
from effopd.params.runs import run_name
from effopd.tasks.lengths import check_lengths
from effopd.tasks.problems import Problem, read_problems
from effopd.tasks.verifiers import check_gradable
from stages.distilling import DistillingParams, distilling
from stages.harness import Stage
from stages.ranks import run_on_ranks
from stages.training import Trainee

UNREAD = ("steps", "sweep", "sweep_steps")


@dataclass(frozen=True)
class PublishedParams(DistillingParams):
    effopd: EffOPDParams


@dataclass(frozen=True)
class FreeParams(DistillingParams):
    effopd_free: EffOPDFreeParams


def main(
    replicate: Annotated[int, Option(min=0, help="Which seed: the same prompts and samples as opd's replicate.")],
    free: Annotated[bool, Option("--free", help="The settings of effopd_free, which finds its own rate.")] = False,
) -> None:
    """Train models/effopd-REPLICATE, or models/effopd-free-REPLICATE."""
    stage = Stage()
    params: DistillingParams
    settings: EffOPDParams
    if free:
        params = own = stage.read(FreeParams, opd=(*UNREAD, "learning_rate", "updates_per_batch"))
        settings, run, rate = own.effopd_free, run_name("effopd-free", replicate), own.effopd_free.learning_rate
        opd = params.opd.model_copy(update={"updates_per_batch": own.effopd_free.updates_per_batch})
    else:
        params = theirs = stage.read(PublishedParams, opd=UNREAD)
        settings, run, rate, opd = theirs.effopd, run_name("effopd", replicate), params.opd.learning_rate, params.opd
    by_accuracy = settings.score == "accuracy"
    validation = read_problems(stage.input("data/validation.parquet")) if by_accuracy else []
    check_gradable(validation)
    search = partial(make_leaps, settings, validation, rate, opd.log_ratio_cap)
    distilling(stage, params, opd, run, replicate, learning_rate=rate, steps=settings.steps, search=search)


def make_leaps(
    settings: EffOPDParams,
    validation: list[Problem],
    learning_rate: float,
    log_ratio_cap: float,
    trainee: Trainee,
    seed: int,
) -> Leaps:
    config, length = trainee.engine.module.config, trainee.sampler.max_new_tokens
    check_lengths(validation, trainee.tokenizer, config, length, "data/validation.parquet")
    return Leaps(
        settings,
        trainee.engine,
        trainee.sampler,
        validation,
        seed=seed,
        learning_rate=learning_rate,
        loss_chunk=trainee.params.engine.loss_chunk,
        log_ratio_cap=log_ratio_cap,
    )


if __name__ == "__main__":
    run_on_ranks(main)
