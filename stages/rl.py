"""Reinforcement learning from the base: the baseline's trajectory and, as its last checkpoint, the teacher."""

from __future__ import annotations

from functools import partial

from effopd.files import atomic_path, link_or_copy
from effopd.models.critic import make_critic
from effopd.models.store import load_model, load_tokenizer
from effopd.params.engine import EngineParams
from effopd.params.optimizer import OptimizerParams
from effopd.params.rl import RLParams
from effopd.params.rollout import RolloutParams
from effopd.params.run import RunParams
from effopd.params.trajectory import TrajectoryParams
from effopd.seeding import derive_seed
from effopd.tasks.problems import read_problems
from effopd.train.ppo import reinforce_with_critic
from effopd.train.rl import reinforce
from effopd.trajectory.store import step_folder
from stages.harness import MODELS, Stage
from stages.machine import set_up
from stages.training import build_engine, build_sampler, open_session, publish, run_on_ranks


def main() -> None:
    """Train models/rl and copy its last checkpoint to models/teacher."""
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("replicates",))
    params = stage.params("rl", RLParams)
    optimizer = stage.params("optimizer", OptimizerParams)
    engine_params = stage.params("engine", EngineParams)
    rollout = stage.params("rollout", RolloutParams)
    trajectory = stage.params("trajectory", TrajectoryParams)
    problems = read_problems(stage.input("data/train.parquet"))
    base = stage.input("models/base")
    device = set_up(shared)

    policy, tokenizer = load_model(base), load_tokenizer(base)
    engine = build_engine(policy, device, optimizer, engine_params, params.learning_rate, shared.seed)
    sampler = build_sampler(engine, engine_params, rollout, base, tokenizer)
    key = stage.key("rl", without=("rl.steps",))
    critic, train = None, reinforce
    if params.algorithm == "ppo":
        critic = build_engine(
            make_critic(load_model(base)),
            device,
            optimizer,
            engine_params,
            params.critic_learning_rate,
            shared.seed,
            train_head=True,
        )
        train = partial(reinforce_with_critic, critic)
    session, workspace = open_session("rl", key, params.steps, trajectory, engine, tokenizer, critic=critic)
    train(
        engine,
        sampler,
        load_model(base).to(engine.device),
        problems,
        params,
        session,
        seed=derive_seed(shared.seed, "rl"),
        micro_batch=optimizer.micro_batch,
        loss_chunk=engine_params.loss_chunk,
        mismatch_budget=rollout.mismatch_budget,
    )

    about = {"algorithm": params.algorithm, "learning_rate": params.learning_rate}
    publish(stage, engine, session, workspace, "rl", about)
    if engine.rank == 0:
        with atomic_path(MODELS / "teacher") as folder:
            for file in sorted(step_folder(MODELS / "rl", params.steps).iterdir()):
                link_or_copy(file, folder / file.name)


if __name__ == "__main__":
    run_on_ranks(main)
