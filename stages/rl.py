"""Reinforcement learning from the base: the baseline's trajectory and, as its last checkpoint, the teacher."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from effopd.models.critic import make_critic
from effopd.models.store import load_model
from effopd.params.rl import RLParams
from effopd.seeding import derive_seed
from effopd.tasks.problems import read_problems
from effopd.train.ppo import reinforce_with_critic
from effopd.train.rl import reinforce
from stages.harness import Stage
from stages.ranks import run_on_ranks
from stages.training import TrainingParams, build_engine, make_trainee, publish


@dataclass(frozen=True)
class RLStageParams(TrainingParams):
    rl: RLParams


def main() -> None:
    """Train models/rl and copy its last checkpoint to models/teacher."""
    stage = Stage()
    params = stage.read(RLStageParams)
    rl = params.rl
    problems = read_problems(stage.input("data/train.parquet"))
    trainee = make_trainee(stage, params, rl.learning_rate)
    engine = trainee.engine
    critic, train = None, reinforce
    if rl.algorithm == "ppo":
        untrained = make_critic(load_model(trainee.base))
        critic = build_engine(untrained, engine.device, params, rl.critic_learning_rate, train_head=True)
        train = partial(reinforce_with_critic, critic)
    session = trainee.session("rl", rl.steps, ("rl.steps",), critic=critic)
    train(trainee.training(problems, session, derive_seed(params.run.seed, "rl")), trainee.at_start(), rl)

    about = {"algorithm": rl.algorithm, "learning_rate": rl.learning_rate}
    publish(stage, engine, session, "rl", about, last="teacher")


if __name__ == "__main__":
    run_on_ranks(main)
