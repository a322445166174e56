"""Distillation runs on the two ranks that `torchrun` starts, one after another in one process each.

    torchrun --nproc_per_node 2 two_ranks.py runs.json folder

runs.json: name → values to override, by section. Each run leaves folder/NAME/: metrics.jsonl, before.safetensors and
after.safetensors, the whole float32 weights as the engine gives them. The same `distil` runs under torch in the tests.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import tiny
import torch
from safetensors.torch import save_file
from tiny import LENGTH, OPD, OPTIMIZER, SEED, with_values

from effopd.files import write_jsonl
from effopd.params.engine import EngineParams
from effopd.rollout.copy import CopySampler
from effopd.rollout.sampler import ModelSampler
from effopd.train.deepspeed_engine import DeepSpeedEngine
from effopd.train.distill import distill
from effopd.train.engine import Engine, TorchEngine
from effopd.train.session import Session
from effopd.trajectory.workspace import Workspace

ENGINE = EngineParams(
    name="deepspeed",
    ranks=2,
    zero_stage=2,
    precision="float32",
    offload_optimizer=False,
    activation_checkpointing=False,
    loss_chunk=0,
    hostfile="",
)
PROMPTS = 16  # eight for each of two ranks


def distil(folder: Path, values: dict[str, dict[str, Any]]) -> None:
    """One run of the real loop; `values` override sections `engine`, `optimizer` and `opd`."""
    params = with_values(ENGINE, **values.get("engine", {}))
    optimizer = with_values(OPTIMIZER, **values.get("optimizer", {}))
    opd = with_values(OPD, **{"prompts_per_step": PROMPTS, "steps": 3, "learning_rate": 1e-4, **values.get("opd", {})})
    student = tiny.guesser()
    copy = tiny.guesser()
    engine: Engine
    if params.name == "torch":
        engine = TorchEngine(student, optimizer, opd.learning_rate)
    else:
        engine = DeepSpeedEngine(student, optimizer, params, opd.learning_rate)
    if params.zero_stage == 3 or params.precision == "bfloat16":
        sampler: Any = CopySampler(copy, engine.each_weight, tiny.tokenizer(), LENGTH)
    else:
        sampler = ModelSampler(engine.module, tiny.tokenizer(), LENGTH)
    session = Session(
        engine=engine,
        tokenizer=tiny.tokenizer(),
        workspace=Workspace(folder / "scratch", "run", "k" * 16, engine.rank),
        live=folder / "live",
        last_step=opd.steps,
        kept_steps=[],
    )
    before = {name: whole.clone() for name, whole in engine.each_weight()}
    distill(
        engine,
        sampler,
        tiny.guesser(9, 1),
        tiny.problems(24),
        opd,
        session,
        seed=SEED,
        micro_batch=optimizer.micro_batch,
        loss_chunk=params.loss_chunk,
    )
    after = {name: whole.clone() for name, whole in engine.each_weight()}
    if engine.rank == 0:
        write_jsonl(folder / "metrics.jsonl", session.state.metrics)
        save_file(before, folder / "before.safetensors")
        save_file(after, folder / "after.safetensors")
    engine.wait()


if __name__ == "__main__":
    torch.set_num_threads(1)
    runs, root = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    for name, values in runs.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        distil(root / name, values)
