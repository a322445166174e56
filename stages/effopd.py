"""EffOPD: on-policy distillation with the settings of `opd`, and leaps at steps 1, 2, 4, 8, …"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from effopd.extrapolation.effopd import EffOPD
from effopd.extrapolation.leaps import leap_at_triggers
from effopd.models.store import load_model, load_tokenizer
from effopd.params.effopd import EffOPDParams
from effopd.params.engine import EngineParams
from effopd.params.opd import OPDParams
from effopd.params.optimizer import OptimizerParams
from effopd.params.rollout import RolloutParams
from effopd.params.run import RunParams
from effopd.params.teacher import TeacherParams
from effopd.params.trajectory import TrajectoryParams
from effopd.seeding import derive_seed
from effopd.tasks.problems import read_problems
from effopd.train.distill import distill
from stages.harness import Stage
from stages.machine import set_up
from stages.teaching import build_teacher
from stages.training import build_engine, build_sampler, open_session, publish, run_on_ranks


def main(
    replicate: Annotated[int, Option(min=0, help="Which seed: the same prompts and samples as opd's replicate.")],
) -> None:
    """Train models/effopd-REPLICATE."""
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("replicates",))
    params = stage.params("opd", OPDParams, unused=("steps", "sweep", "sweep_steps"))
    effopd = stage.params("effopd", EffOPDParams)
    optimizer = stage.params("optimizer", OptimizerParams)
    engine_params = stage.params("engine", EngineParams)
    rollout = stage.params("rollout", RolloutParams)
    trajectory = stage.params("trajectory", TrajectoryParams)
    teacher_params = stage.params("teacher", TeacherParams)
    problems = read_problems(stage.input("data/train.parquet"))
    validation = read_problems(stage.input("data/validation.parquet"))
    base = stage.input("models/base")
    device = set_up(shared)

    name = f"effopd-{replicate}"
    student, tokenizer = load_model(base), load_tokenizer(base)
    engine = build_engine(student, device, optimizer, engine_params, params.learning_rate, shared.seed)
    sampler = build_sampler(engine, engine_params, rollout, base, tokenizer)
    teacher = build_teacher(stage, teacher_params, problems, engine, engine_params.precision, tokenizer)
    search = EffOPD(effopd, engine.parameters)
    key = stage.key("effopd", replicate, without=("effopd.steps",))
    session, workspace = open_session(name, key, effopd.steps, trajectory, engine, tokenizer, search.anchor)
    seed = derive_seed(shared.seed, "replicate", replicate)
    leaps = leap_at_triggers(search, effopd, engine, sampler, validation, session, seed=seed)
    distill(
        engine,
        sampler,
        teacher,
        problems,
        params,
        session,
        seed=seed,
        micro_batch=optimizer.micro_batch,
        loss_chunk=engine_params.loss_chunk,
        mismatch_budget=rollout.mismatch_budget,
        reference=load_model(base).to(engine.device) if params.loss == "exopd" else None,
        after_step=leaps,
    )

    publish(stage, engine, session, workspace, name, {"loss": params.loss, "learning_rate": params.learning_rate})


if __name__ == "__main__":
    run_on_ranks(main)
