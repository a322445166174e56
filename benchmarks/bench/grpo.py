"""A step of reinforcement learning by ours and by TRL's GRPOTrainer, with the settings of section `rl`."""

from __future__ import annotations

from typing import Any

from benchmarks.bench.party import Options, Turns
from benchmarks.bench.training import our_training, settings, student, trainer_data, trainer_settings
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import score_all
from effopd.train.rl import reinforce


def ours(options: Options, turns: Turns) -> None:
    params, reference = settings(options), student(options)
    with our_training(options, turns, params, params.rl.learning_rate, reference) as training:
        reinforce(training, reference, params.rl)


def theirs(options: Options, turns: Turns) -> None:
    from trl import GRPOConfig, GRPOTrainer

    params = settings(options)
    completions = params.rl.prompts_per_step * params.rl.group_size
    micro_batch = min(params.optimizer.micro_batch, completions)
    trainer = GRPOTrainer(
        model=student(options),
        reward_funcs=reward,
        args=GRPOConfig(
            per_device_train_batch_size=micro_batch,
            gradient_accumulation_steps=completions // micro_batch,
            num_generations=params.rl.group_size,
            beta=params.rl.kl_coefficient,
            epsilon=params.rl.clip,
            loss_type="grpo",
            **trainer_settings(options, params, params.rl.learning_rate),
        ),
        **trainer_data(options, turns),
    )
    trainer.train()


def reward(prompts: list[str], completions: list[str], answer: list[str], task: list[str], **_: Any) -> list[float]:
    problems = [Problem(t, p, a) for t, p, a in zip(task, prompts, answer, strict=True)]
    return score_all(problems, completions)
