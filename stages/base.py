"""Fine-tune the model that every run starts from."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.files import DataError, write_jsonl
from effopd.models.build import build_model
from effopd.models.source import adopt, fetch
from effopd.models.store import save_model
from effopd.models.tokenizer import byte_tokenizer, character_tokenizer
from effopd.params.base import BaseParams
from effopd.params.live import LiveParams
from effopd.params.model import ModelParams
from effopd.params.optimizer import OptimizerParams
from effopd.params.run import RunParams
from effopd.seeding import derive_seed
from effopd.tasks.arithmetic import ALPHABET
from effopd.tasks.problems import Demonstration, read_demonstrations
from effopd.train.engine import TorchEngine
from effopd.train.session import Session
from effopd.train.sft import fine_tune
from effopd.trajectory.workspace import Workspace
from stages.harness import LOGS, MODELS, SCRATCH, Stage, run
from stages.machine import set_up
from stages.resuming import CONTINUED_WITH, rounded_by

SOURCES = Path("data/models")


def main() -> None:
    """Build or fetch the student and train it on demonstrations: models/base."""
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("replicates",))
    model_params = stage.params("model", ModelParams)
    params = stage.params("base", BaseParams)
    optimizer = stage.params("optimizer", OptimizerParams)
    live = stage.params("live", LiveParams, unused=("tracker",))
    shown = stage.input("data/demonstrations.parquet")
    stage.check_place(MODELS / "base")
    device = set_up(shared)

    if model_params.on_hub:
        model, tokenizer = adopt(fetch(model_params.source, model_params.revision))
    elif model_params.source:
        model, tokenizer = adopt(stage.input(followed(SOURCES / model_params.source)))
    else:
        model, tokenizer = build(model_params, read_demonstrations(shown), derive_seed(shared.seed, "model"))
    demonstrations = read_demonstrations(shown) if params.steps else []  # programs have none
    engine = TorchEngine(model.to(device), optimizer, params.learning_rate)
    workspace = Workspace(
        SCRATCH,
        "base",
        stage.key(without=CONTINUED_WITH),
        check=stage.check_before_save,
        decided_by=stage.decided_by(CONTINUED_WITH),
        rounded_by=rounded_by(stage.values),
    )
    session = Session(
        engine=engine,
        tokenizer=tokenizer,
        workspace=workspace,
        live=LOGS / "base",
        tracker=live.tracker,
        last_step=params.steps,
        kept_steps=[],
    )
    fine_tune(engine, tokenizer, demonstrations, params, session, seed=shared.seed, micro_batch=optimizer.micro_batch)

    folder = stage.output(MODELS / "base")
    save_model(folder, model, tokenizer)
    write_jsonl(folder / "metrics.jsonl", session.state.metrics)
    stage.publish()
    said = f"loss {session.state.metrics[-1]['loss']:.4f}" if params.steps else "as it was, not trained"
    print(f"{MODELS / 'base'}: {model.num_parameters():,} parameters, {said}")


def followed(folder: Path) -> Path:
    """A folder whose changes are seen. Raises `DataError` for a link to one, which DVC does not look behind."""
    if folder.is_symlink():
        raise DataError(
            f"{folder}: a linked folder is not followed; link its files: cp -rs {folder.resolve()} {SOURCES}/"
        )
    return folder


def build(
    params: ModelParams, demonstrations: list[Demonstration], seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model of the given sizes, and a tokenizer that has every character of the demonstrations."""
    texts = [text for shown in demonstrations for text in (shown.prompt, shown.completion)]
    if params.vocabulary:
        tokenizer = byte_tokenizer(texts, params.vocabulary)
    else:
        tokenizer = character_tokenizer(ALPHABET)
        if strange := sorted(set().union(*texts) - set(ALPHABET)):
            raise DataError(
                f"the demonstrations hold {strange[0]!r}, which is no character of the built-in world: set "
                "model.vocabulary to learn tokens from them, or model.source to a model that has some"
            )
    return build_model(params, tokenizer, seed), tokenizer


if __name__ == "__main__":
    run(main)
