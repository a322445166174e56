"""Distillation runs on the two ranks that `torchrun` starts, one after another in one process each.

    torchrun --nproc_per_node 2 two_ranks.py runs.json folder

runs.json: name → values to override, by section. Each run leaves folder/NAME/: metrics.jsonl, triggers.jsonl,
before.safetensors and after.safetensors, the whole float32 weights as the engine gives them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import tiny
import torch
from safetensors.torch import save_file
from tiny import EFFOPD, LENGTH, OPD, OPTIMIZER, SEED, with_values

from effopd.extrapolation.leaps import Leaps
from effopd.files import write_jsonl
from effopd.models.lora import add_factors
from effopd.params.engine import EngineParams
from effopd.rollout.copy import CopySampler
from effopd.rollout.sampler import ModelSampler
from effopd.teachers.local import LocalTeacher
from effopd.train.deepspeed_engine import DeepSpeedEngine
from effopd.train.distill import distill
from effopd.train.engine import Engine, TorchEngine
from effopd.train.session import Session
from effopd.train.training import Training
from effopd.trajectory.workspace import Workspace

ENGINE = EngineParams(
    name="deepspeed",
    ranks=2,
    zero_stage=2,
    precision="float32",
    offload_optimizer=False,
    activation_checkpointing=False,
    loss_chunk=0,
    lora_rank=0,
    lora_alpha=2.0,
    hostfile="",
)
PROMPTS = 16  # eight for each of two ranks


def distil(folder: Path, values: dict[str, dict[str, Any]]) -> None:
    """One run of the real loop; `values` override sections `engine`, `optimizer`, `opd` and, for leaps, `effopd`."""
    params = with_values(ENGINE, **values.get("engine", {}))
    optimizer = with_values(OPTIMIZER, **values.get("optimizer", {}))
    opd = with_values(OPD, **{"prompts_per_step": PROMPTS, "steps": 3, "learning_rate": 1e-4, **values.get("opd", {})})
    student = tiny.guesser()
    copy = tiny.guesser()
    if params.lora_rank:
        add_factors(student, params.lora_rank, params.lora_alpha, SEED)
    engine: Engine
    if params.name == "torch":
        engine = TorchEngine(student, optimizer, opd.learning_rate)
    else:
        engine = DeepSpeedEngine(student, optimizer, params, opd.learning_rate)
    if params.zero_stage == 3 or params.precision == "bfloat16":
        sampler: Any = CopySampler(copy, engine.each_weight, tiny.tokenizer(), LENGTH)
    else:
        sampler = ModelSampler(engine.module, tiny.tokenizer(), LENGTH)
    effopd = with_values(EFFOPD, **values["effopd"]) if "effopd" in values else None
    validation, chunk = tiny.problems(6, seed=1), params.loss_chunk
    search = None
    if effopd:
        rate = opd.learning_rate
        search = Leaps(effopd, engine, sampler, validation, seed=SEED, learning_rate=rate, loss_chunk=chunk)
    session = Session(
        engine=engine,
        tokenizer=tiny.tokenizer(),
        workspace=Workspace(folder / "scratch", "run", "k" * 16, engine.rank),
        live=folder / "live",
        last_step=opd.steps,
        kept_steps=[],
        extra_state=search.state if search else None,
    )
    before = {name: whole.clone() for name, whole in engine.each_weight()}
    training = Training(engine, sampler, tiny.problems(24), session, SEED, optimizer.micro_batch, loss_chunk=chunk)
    distill(training, LocalTeacher(tiny.guesser(9, 1)), opd, opd.learning_rate, search=search)
    after = {name: whole.clone() for name, whole in engine.each_weight()}
    if engine.rank == 0:
        write_jsonl(folder / "metrics.jsonl", session.state.metrics)
        write_jsonl(folder / "triggers.jsonl", session.state.triggers)
        save_file(before, folder / "before.safetensors")
        save_file(after, folder / "after.safetensors")
    engine.wait()


if __name__ == "__main__":
    torch.set_num_threads(1)
    runs, root = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    for name, values in runs.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        distil(root / name, values)
