"""A student, a teacher and an EffOPD run of a few steps in this process, sampled by whatever is handed in."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel
from unit import tiny

from effopd.extrapolation.leaps import Leaps
from effopd.rollout.sampler import Sampler
from effopd.teachers.local import LocalTeacher
from effopd.train.distill import distill
from effopd.train.engine import TorchEngine
from effopd.train.session import Session
from effopd.train.training import Training
from effopd.trajectory.workspace import RunState, Workspace

LENGTH = 6
SHAPE = tiny.with_values(tiny.MODEL, hidden_size=64, layers=2)  # heads of 32, vLLM's least on a CPU


def model(seed: int) -> PreTrainedModel:
    built = tiny.build_model(SHAPE, tiny.tokenizer(), seed).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            if parameter.ndim == 2:
                parameter.mul_(2.0)  # far from uniform
    return built


def run_effopd(
    student: PreTrainedModel, make: Callable[[TorchEngine], Sampler], folder: Path, **options: Any
) -> RunState:
    """Four steps with leaps at 1, 2 and 4, all of whose candidates are accepted: each is as good as the last."""
    opd = tiny.with_values(tiny.OPD, learning_rate=3e-3, loss=options.pop("loss", "sampled"))
    effopd = tiny.with_values(tiny.EFFOPD, multipliers=[0.5, 1.0])
    engine = TorchEngine(student, tiny.OPTIMIZER, opd.learning_rate)
    sampler = make(engine)
    hard = [tiny.Problem("arithmetic", problem.prompt, "none") for problem in tiny.problems(4)]
    search = Leaps(effopd, engine, sampler, hard, seed=tiny.SEED, learning_rate=opd.learning_rate)
    session = Session(
        engine=engine,
        tokenizer=tiny.tokenizer(),
        workspace=Workspace(folder / "scratch", "run", "k" * 16),
        live=folder / "live",
        last_step=effopd.steps,
        kept_steps=[],
        extra_state=search.state,
    )
    training = Training(engine, sampler, tiny.problems(), session, tiny.SEED, 64, **options)
    distill(training, LocalTeacher(deepcopy(model(5))), opd, opd.learning_rate, search=search)
    return session.state
