"""TRL's real trainers on models of toy size: a student that is right half the time, a teacher nine times out of ten."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tiny
import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel, TrainerCallback
from trl import DistillationConfig, DistillationTrainer

HERE = Path(__file__).parent
PATHS = f"{HERE}:{HERE.parents[1]}:{HERE.parent / 'unit'}"
"""PYTHONPATH of a script in this folder."""
PROMPTS = [problem.prompt for problem in tiny.problems(48)]
"""Six steps, one epoch: TRL 1.16 does not save where the shuffling of the later ones stands, and resumes in others."""
RATE = 1e-4


def distillation(
    folder: Path, callbacks: Sequence[TrainerCallback] = (), *, model: PreTrainedModel | None = None, **settings: Any
) -> DistillationTrainer:
    """TRL's trainer on batches of 8 prompts; settings: of its config."""
    values: dict[str, Any] = {
        "max_steps": 4,
        "per_device_train_batch_size": 8,
        "max_completion_length": tiny.LENGTH,
        "learning_rate": RATE,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.01,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "save_strategy": "no",
        "logging_steps": 1,
        "report_to": "none",
        "seed": tiny.SEED,
    }
    return DistillationTrainer(
        model=model or tiny.guesser(),
        teacher_model=tiny.guesser(9, 1),
        args=DistillationConfig(output_dir=str(folder), **(values | settings)),
        train_dataset=Dataset.from_dict({"prompt": PROMPTS}),
        processing_class=tiny.tokenizer(),
        callbacks=list(callbacks),
    )


def weights(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def same_bits(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(first[name].view(torch.int32).equal(second[name].view(torch.int32)) for name in first | second)


class Script:
    """Scores to be given out one by one; remembers the weights that each was given to."""

    def __init__(self, scores: Sequence[float]) -> None:
        self.scores, self.seen = list(scores), list[dict[str, Tensor]]()

    def __call__(self, model: PreTrainedModel) -> float:
        self.seen.append(weights(model))
        return self.scores[len(self.seen) - 1]


class Notes(TrainerCallback):
    """The weights behind every step, and the learning rates that the optimiser stepped with."""

    def __init__(self) -> None:
        self.weights, self.rates = list[dict[str, Tensor]](), list[float]()

    def on_train_begin(self, args: Any, state: Any, control: Any, *, model: Any, optimizer: Any, **_: Any) -> None:
        self.weights.append(weights(model))
        inner = optimizer.optimizer
        inner.register_step_pre_hook(lambda one, *_: self.rates.append(one.param_groups[0]["lr"]))

    def on_step_end(self, args: Any, state: Any, control: Any, *, model: Any, **_: Any) -> None:
        self.weights.append(weights(model))


def foreseen(trainer: DistillationTrainer) -> list[dict[str, float]]:
    """What foresight has logged, but for what it took."""
    mark, rows = "effopd/foresight/", trainer.state.log_history
    seen = [{k.removeprefix(mark): v for k, v in row.items() if k == "step" or k.startswith(mark)} for row in rows]
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in seen if len(row) > 1]
