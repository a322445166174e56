"""Reinforcement learning from the base: the baseline's trajectory and, as its last checkpoint, the teacher."""

from __future__ import annotations

import torch

from effopd.files import atomic_path, link_or_copy
from effopd.models.store import load_model, load_tokenizer
from effopd.params.optimizer import OptimizerParams
from effopd.params.rl import RLParams
from effopd.params.rollout import RolloutParams
from effopd.params.run import RunParams
from effopd.params.trajectory import TrajectoryParams
from effopd.seeding import derive_seed
from effopd.tasks.problems import read_problems
from effopd.train.engine import TorchEngine
from effopd.train.rl import reinforce
from effopd.trajectory.store import step_folder
from stages.harness import MODELS, Stage, run
from stages.training import open_session, publish


def main() -> None:
    """Train models/rl and copy its last checkpoint to models/teacher."""
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("replicates",))
    params = stage.params("rl", RLParams)
    optimizer = stage.params("optimizer", OptimizerParams)
    rollout = stage.params("rollout", RolloutParams)
    trajectory = stage.params("trajectory", TrajectoryParams)
    problems = read_problems(stage.input("data/train.parquet"))
    base = stage.input("models/base")
    torch.set_num_threads(shared.threads)

    policy, reference, tokenizer = load_model(base), load_model(base), load_tokenizer(base)
    engine = TorchEngine(policy, optimizer, params.learning_rate)
    key = stage.key("rl", without=("rl.steps",))
    session, workspace = open_session("rl", key, params.steps, trajectory, engine, tokenizer)
    reinforce(
        policy,
        reference,
        tokenizer,
        problems,
        params,
        engine,
        session,
        seed=derive_seed(shared.seed, "rl"),
        max_new_tokens=rollout.max_new_tokens,
        micro_batch=optimizer.micro_batch,
    )

    about = {"algorithm": params.algorithm, "learning_rate": params.learning_rate}
    trained = publish(stage, session, workspace, "rl", about)
    with atomic_path(MODELS / "teacher") as folder:
        for file in sorted(step_folder(trained, params.steps).iterdir()):
            link_or_copy(file, folder / file.name)


if __name__ == "__main__":
    run(main)
