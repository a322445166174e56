"""On-policy distillation from the base to the teacher: one replicate, or one rate of the learning-rate sweep."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from effopd.models.store import load_model, load_tokenizer
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
    replicate: Annotated[int, Option(min=0, help="Which seed: replicates differ in prompts' order and in samples.")],
    rate: Annotated[float | None, Option(help="A rate of the sweep, instead of opd.learning_rate.")] = None,
) -> None:
    """Train models/opd-REPLICATE, or models/opd-lr-RATE."""
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("replicates",))
    theirs = ("sweep_steps",) if rate is None else ("learning_rate", "steps")
    params = stage.params("opd", OPDParams, unused=("sweep", *theirs))
    optimizer = stage.params("optimizer", OptimizerParams)
    engine_params = stage.params("engine", EngineParams)
    rollout = stage.params("rollout", RolloutParams)
    trajectory = stage.params("trajectory", TrajectoryParams)
    teacher_params = stage.params("teacher", TeacherParams)
    problems = read_problems(stage.input("data/train.parquet"))
    base = stage.input("models/base")
    device = set_up(shared)

    name = f"opd-{replicate}" if rate is None else f"opd-lr-{rate}"
    learning_rate = params.learning_rate if rate is None else rate
    steps = params.steps if rate is None else params.sweep_steps
    student, tokenizer = load_model(base), load_tokenizer(base)
    engine = build_engine(student, device, optimizer, engine_params, learning_rate, shared.seed)
    sampler = build_sampler(engine, engine_params, rollout, base, tokenizer)
    teacher = build_teacher(stage, teacher_params, problems, engine, engine_params.precision, tokenizer)
    key = stage.key("opd", replicate, str(learning_rate), without=("opd.steps", "opd.sweep_steps"))
    session, workspace = open_session(name, key, steps, trajectory, engine, tokenizer)
    distill(
        engine,
        sampler,
        teacher,
        problems,
        params,
        session,
        seed=derive_seed(shared.seed, "replicate", replicate),
        micro_batch=optimizer.micro_batch,
        loss_chunk=engine_params.loss_chunk,
        mismatch_budget=rollout.mismatch_budget,
        reference=load_model(base).to(engine.device) if params.loss == "exopd" else None,
    )

    publish(stage, engine, session, workspace, name, {"loss": params.loss, "learning_rate": learning_rate})


if __name__ == "__main__":
    run_on_ranks(main)
