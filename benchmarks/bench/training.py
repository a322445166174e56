"""What the rows about training share: our loop and TRL's trainers, a step at a turn, on the same models and prompts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from transformers import PreTrainedModel, TrainerCallback

from benchmarks.bench.party import Options, Turns
from effopd.models.store import load_model, load_tokenizer
from effopd.params.schema import Params, check_file
from effopd.rollout.sampler import ModelSampler, Rollout
from effopd.tasks.problems import read_problems
from effopd.train.costs import computing_parameters
from effopd.train.engine import TorchEngine
from effopd.train.session import Session
from effopd.train.training import Training
from effopd.trajectory.workspace import Workspace

LAST = 10_000  # a step that nobody waits for: the last turn ends a run
_PRODUCTS = 50


@dataclass(frozen=True)
class Paced(ModelSampler):
    """Asked for the first thing in a step, it ends the turn before and waits for the next."""

    turns: Turns = field(kw_only=True)

    def refresh(self, step: int) -> None:
        self.turns.next()

    def sample(self, prompts: Sequence[str], uniforms_BT: NDArray[np.float64]) -> Rollout:
        rollout = super().sample(prompts, uniforms_BT)
        self.turns.count(tokens=int(rollout.mask_BT.sum()))
        return rollout


class Pacing(TrainerCallback):
    """The same for a trainer of transformers; its last row of the log says what it sampled."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._turns.next()


def settings(options: Options) -> Params:
    torch.set_num_threads(1)
    params = check_file(options.root / "params.yaml")
    if not options.quick:
        return params
    fewer = {"prompts_per_step": 4}
    return params.model_copy(
        update={
            "opd": params.opd.model_copy(update=fewer),
            "rl": params.rl.model_copy(update=fewer | {"group_size": 4}),
        }
    )


def student(options: Options) -> PreTrainedModel:
    return load_model(options.root / "models/base")


def teacher(options: Options) -> PreTrainedModel:
    return load_model(options.root / "models/teacher")


@contextmanager
def our_training(
    options: Options, turns: Turns, params: Params, learning_rate: float, other: PreTrainedModel
) -> Iterator[Training]:
    """From the base, a step a turn, with all that a stage's run has around it; behind the last, what it computed.

    other: the teacher, or the reference.
    """
    model, tokenizer = student(options), load_tokenizer(options.root / "models/base")
    engine = TorchEngine(model, params.optimizer, learning_rate)
    session = Session(
        engine=engine,
        tokenizer=tokenizer,
        workspace=Workspace(options.folder, "bench", "0" * 16),
        live=options.folder / "live",
        last_step=LAST,
        kept_steps=[],
    )
    sampler = Paced(model, tokenizer, params.rollout.max_new_tokens, turns=turns)
    problems = read_problems(options.root / "data/train.parquet")
    training = Training(engine, sampler, problems, session, params.run.seed, params.optimizer.micro_batch)
    try:
        yield training
    finally:
        _say_arithmetic(turns, training, params, other)


def _say_arithmetic(turns: Turns, training: Training, params: Params, other: PreTrainedModel) -> None:
    """The matrix products of a mean step without padding, and in how many seconds this machine makes as many.

    other: the teacher; a reference's products are counted with the student's.
    """
    last = training.session.state.metrics[-1]
    flops = last["student_flops"] + 2 * computing_parameters(other) * last["teacher_tokens"]
    rate = product_rate(params.model.hidden_size, params.model.mlp_size)
    turns.about |= {"flops": flops / last["step"], "flops_a_second": rate, "floor": flops / last["step"] / rate}


def product_rate(inner: int, outer: int, rows: int = 2048) -> float:
    """Float32 operations a processor second of products of the models' own shapes."""
    states_NH, weight_HF = torch.randn(rows, inner), torch.randn(inner, outer)
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(_PRODUCTS):
            states_NH @ weight_HF
        best = min(best, time.process_time() - began)
    return 2 * rows * inner * outer * _PRODUCTS / best


def trainer_settings(options: Options, params: Params, learning_rate: float) -> dict[str, Any]:
    """What TRL's trainers are told: the same optimiser, one thread, and nothing to save, log or look up."""
    optimizer = params.optimizer
    return {
        "output_dir": str(options.folder),
        "max_steps": LAST,
        "max_completion_length": params.rollout.max_new_tokens,
        "learning_rate": learning_rate,
        "lr_scheduler_type": "constant",
        "weight_decay": optimizer.weight_decay,
        "max_grad_norm": optimizer.max_grad_norm,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": params.run.seed,
    }


def trainer_data(options: Options, turns: Turns) -> dict[str, Any]:
    """Prompts with their answers, tokenizer and pace."""
    problems = read_problems(options.root / "data/train.parquet")
    columns = {name: [getattr(problem, name) for problem in problems] for name in ("prompt", "answer", "task")}
    return {
        "train_dataset": Dataset.from_dict(columns),
        "processing_class": load_tokenizer(options.root / "models/base"),
        "callbacks": [Pacing(turns)],
    }
