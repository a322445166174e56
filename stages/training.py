"""What the training stages share: engine and sampler, a resumable session, a published trajectory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.files import link_or_copy
from effopd.models.lora import add_factors
from effopd.models.store import load_model, load_tokenizer, published
from effopd.params.engine import EngineParams
from effopd.params.live import LiveParams
from effopd.params.optimizer import OptimizerParams
from effopd.params.rollout import RolloutParams
from effopd.params.run import RunParams
from effopd.params.trajectory import TrajectoryParams
from effopd.rollout.copy import CopySampler
from effopd.rollout.sampler import ModelSampler, Sampler
from effopd.rollout.vllm import VLLMSampler, start_vllm
from effopd.seeding import derive_seed
from effopd.spectral.foresight import Foresight
from effopd.tasks.lengths import check_lengths
from effopd.tasks.problems import Problem
from effopd.train.deepspeed_engine import DeepSpeedEngine
from effopd.train.engine import Engine, TorchEngine, checkpoint_activations
from effopd.train.forward import check_own_logits
from effopd.train.session import Session
from effopd.train.training import Training
from effopd.trajectory.schedule import checkpoint_steps
from effopd.trajectory.store import step_folder
from effopd.trajectory.workspace import Workspace
from stages.harness import LOGS, MODELS, SCRATCH, Stage, Unread
from stages.machine import set_up
from stages.resuming import CONTINUED_WITH, rounded_by

BASE = MODELS / "base"


@dataclass(frozen=True)
class TrainingParams:
    """The sections that every training stage reads."""

    run: Annotated[RunParams, Unread("replicates")]
    optimizer: OptimizerParams
    engine: Annotated[EngineParams, Unread("hostfile")]
    rollout: Annotated[RolloutParams, Unread("gpu_memory")]
    trajectory: TrajectoryParams
    live: Annotated[LiveParams, Unread("tracker")]


@dataclass(frozen=True)
class Trainee:
    """The base on its way: its engine, what samples it, and its tokenizer, as params ask for."""

    stage: Stage
    params: TrainingParams
    base: Path
    engine: Engine
    sampler: Sampler
    tokenizer: PreTrainedTokenizerBase

    def at_start(self) -> PreTrainedModel:
        """The base as it was, on the engine's device."""
        return load_model(self.base).to(self.engine.device)

    def session(
        self,
        run: str,
        steps: int,
        without: Sequence[str] = (),
        extra_state: Mapping[str, Tensor] | None = None,
        critic: Engine | None = None,
    ) -> Session:
        """A session that goes on from the run's newest saved state, if there is one.

        without: keys of params that a state does not depend on, such as the number of steps.
        """
        stage = self.stage
        stage.check_place(MODELS / run)
        without = (*without, *CONTINUED_WITH)
        workspace = Workspace(
            SCRATCH,
            run,
            stage.key(run, without=without),
            self.engine.rank,
            check=stage.check_before_save,
            decided_by=stage.decided_by(without),
            rounded_by=rounded_by(stage.values),
        )
        return Session(
            engine=self.engine,
            tokenizer=self.tokenizer,
            workspace=workspace,
            live=LOGS / run,
            tracker=self.params.live.tracker,
            last_step=steps,
            kept_steps=checkpoint_steps(steps, self.params.trajectory.per_octave),
            extra_state=extra_state,
            critic=critic,
            foresight=partial(Foresight, device=self.engine.device),
        )

    def training(self, problems: Sequence[Problem], session: Session, seed: int) -> Training:
        """What the loops are given. Raises `DataError` for prompts that the student has no room for."""
        config, length = self.engine.module.config, self.sampler.max_new_tokens
        check_lengths(problems, self.tokenizer, config, length, "data/train.parquet")
        return Training(
            self.engine,
            self.sampler,
            problems,
            session,
            seed,
            micro_batch=self.params.optimizer.micro_batch,
            loss_chunk=self.params.engine.loss_chunk,
            mismatch_budget=self.params.rollout.mismatch_budget,
        )


def make_trainee(stage: Stage, params: TrainingParams, learning_rate: float) -> Trainee:
    """The base, an input of the stage, on the machine that params ask for."""
    base, device = stage.input(BASE), set_up(params.run)
    tokenizer = load_tokenizer(base)
    engine = build_engine(load_model(base), device, params, learning_rate)
    return Trainee(stage, params, base, engine, build_sampler(engine, params, base, tokenizer), tokenizer)


def build_engine(
    model: PreTrainedModel,
    device: torch.device,
    params: TrainingParams,
    learning_rate: float,
    *,
    train_head: bool = False,
) -> Engine:
    """The engine that `params` ask for; DeepSpeed finds each rank's own device itself.

    train_head: train the output head in any case, with LoRA beside the factors.
    """
    engine = params.engine
    if engine.loss_chunk:
        check_own_logits(model)
    if engine.lora_rank:
        lora_seed = derive_seed(params.run.seed, "lora")
        add_factors(model, engine.lora_rank, engine.lora_alpha, lora_seed, train_head=train_head)
    match engine.name:
        case "torch":
            if engine.activation_checkpointing:
                checkpoint_activations(model)
            return TorchEngine(model.to(device), params.optimizer, learning_rate, engine.precision)
        case "deepspeed":
            return DeepSpeedEngine(model, params.optimizer, engine, learning_rate)


def build_sampler(engine: Engine, params: TrainingParams, base: Path, tokenizer: PreTrainedTokenizerBase) -> Sampler:
    """Samples by vLLM, or the model in training itself, or a copy of it where ZeRO has scattered its weights.

    vLLM and the copy are made from `base` and take the trained weights at their first `refresh`.
    """
    rollout, precision = params.rollout, params.engine.precision
    if rollout.engine == "vllm":
        return VLLMSampler(
            start_vllm(base, precision, rollout.gpu_memory, sleeps=True),
            engine.model,
            lambda: published(engine.module, engine.each_weight()),
            tokenizer,
            rollout.max_new_tokens,
            precision,
            engine.device,
        )
    if params.engine.name == "deepspeed" and params.engine.zero_stage == 3:
        return CopySampler(load_model(base).to(engine.device), engine.each_weight, tokenizer, rollout.max_new_tokens)
    # DeepSpeed's model has the weights that its passes take, or computes in bfloat16 through the wrapper alone
    autocast = precision if params.engine.name == "torch" else "float32"
    return ModelSampler(engine.module, tokenizer, rollout.max_new_tokens, autocast)


def publish(
    stage: Stage, engine: Engine, session: Session, run: str, about: dict[str, Any], last: str | None = None
) -> None:
    """Put the finished run under models/, and its last checkpoint too under the name `last`.

    Raises `StageError` where what it was made from has changed meanwhile, on whatever rank that is seen.
    """
    stage.check_unchanged()
    engine.wait()
    if engine.rank > 0:
        return
    trained = stage.output(MODELS / run)
    session.publish(trained, about | {"run": run, "versions": stage.versions()})
    if last is not None:
        copy = stage.output(MODELS / last)
        for file in sorted(step_folder(trained, session.last_step).iterdir()):
            link_or_copy(file, copy / file.name)
    stage.publish()
    row = session.state.metrics[-1]
    accuracy = f", training accuracy {row['accuracy']:.3f}" if "accuracy" in row else ""
    print(f"{MODELS / run}: step {row['step']}{accuracy}")
