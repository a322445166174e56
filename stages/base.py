"""Fine-tune the model that every run starts from."""

from __future__ import annotations

import torch

from effopd.files import atomic_path, write_jsonl
from effopd.models.build import build_model
from effopd.models.store import save_model
from effopd.models.tokenizer import character_tokenizer
from effopd.params.base import BaseParams
from effopd.params.model import ModelParams
from effopd.params.optimizer import OptimizerParams
from effopd.params.run import RunParams
from effopd.seeding import derive_seed
from effopd.tasks.arithmetic import ALPHABET
from effopd.tasks.problems import read_demonstrations
from effopd.train.engine import TorchEngine
from effopd.train.session import Session
from effopd.train.sft import fine_tune
from effopd.trajectory.workspace import Workspace
from stages.harness import LOGS, MODELS, SCRATCH, Stage, run


def main() -> None:
    """Train the base on demonstrations: models/base."""
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("replicates",))
    model_params = stage.params("model", ModelParams)
    params = stage.params("base", BaseParams)
    optimizer = stage.params("optimizer", OptimizerParams)
    demonstrations = read_demonstrations(stage.input("data/demonstrations.parquet"))
    torch.set_num_threads(shared.threads)

    tokenizer = character_tokenizer(ALPHABET)
    model = build_model(model_params, tokenizer, seed=derive_seed(shared.seed, "model"))
    engine = TorchEngine(model, optimizer, params.learning_rate)
    workspace = Workspace(SCRATCH, "base", stage.key())
    session = Session(
        engine=engine,
        tokenizer=tokenizer,
        workspace=workspace,
        live=LOGS / "base",
        last_step=params.steps,
        kept_steps=[],
    )
    fine_tune(engine, tokenizer, demonstrations, params, session, seed=shared.seed, micro_batch=optimizer.micro_batch)

    stage.check_unchanged()
    with atomic_path(MODELS / "base") as folder:
        save_model(folder, model, tokenizer)
        write_jsonl(folder / "metrics.jsonl", session.state.metrics)
    print(f"{MODELS / 'base'}: loss {session.state.metrics[-1]['loss']:.4f}")


if __name__ == "__main__":
    run(main)
