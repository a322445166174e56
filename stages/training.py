"""What the training stages share: ranks, engine and sampler, a resumable session, a published trajectory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.models.lora import add_factors
from effopd.models.store import load_model
from effopd.params.engine import EngineParams
from effopd.params.optimizer import OptimizerParams
from effopd.params.rollout import RolloutParams
from effopd.params.section import ParamsError, read_section
from effopd.params.trajectory import TrajectoryParams
from effopd.rollout.copy import CopySampler
from effopd.rollout.sampler import ModelSampler, Sampler
from effopd.rollout.vllm import VLLMSampler, start_vllm
from effopd.seeding import derive_seed
from effopd.train.deepspeed_engine import DeepSpeedEngine
from effopd.train.engine import Engine, TorchEngine, checkpoint_activations
from effopd.train.session import Session
from effopd.trajectory.schedule import checkpoint_steps
from effopd.trajectory.workspace import Workspace
from stages.harness import LOGS, MODELS, PARAMS, SCRATCH, Stage, run

PROBE_TOLERANCE = 1e-3
"""Mean |Δ log-probability| between vLLM and the trainer, both in float32; kernels differ by some 1e-6."""


def run_on_ranks(main: Callable[..., None]) -> None:
    """Run a stage's `main` as a command, in this process or in the ranks that `engine` asks for."""
    try:
        params = read_section(PARAMS, "engine", EngineParams)
    except ParamsError as error:
        sys.exit(f"error: {error}")
    if params.name == "torch" or "RANK" in os.environ:
        run(main)
    else:
        sys.exit(subprocess.run(launch_command(params, sys.argv[1:]), check=False).returncode)


def launch_command(params: EngineParams, arguments: list[str]) -> list[str]:
    """DeepSpeed's launcher for the module that this process runs; a free port, so that stages may run side by side."""
    spec = sys.modules["__main__"].__spec__
    assert spec is not None, "stages are run as `python -m`"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    machines = ["--hostfile", params.hostfile] if params.hostfile else ["--num_gpus", str(params.ranks)]
    launcher = [sys.executable, "-m", "deepspeed.launcher.runner", *machines, "--master_port", str(port)]
    return [*launcher, "--no_local_rank", "--module", spec.name, *arguments]


def build_engine(
    model: PreTrainedModel,
    device: torch.device,
    optimizer: OptimizerParams,
    params: EngineParams,
    learning_rate: float,
    seed: int,
    *,
    train_head: bool = False,
) -> Engine:
    """The engine that `params` asks for; DeepSpeed finds each rank's own device itself.

    train_head: train the output head in any case, with LoRA beside the factors.
    """
    if params.lora_rank:
        lora_seed = derive_seed(seed, "lora")
        add_factors(model, params.lora_rank, params.lora_alpha, lora_seed, train_head=train_head)
    match params.name:
        case "torch":
            if params.activation_checkpointing:
                checkpoint_activations(model)
            return TorchEngine(model.to(device), optimizer, learning_rate)
        case "deepspeed":
            return DeepSpeedEngine(model, optimizer, params, learning_rate)


def build_sampler(
    engine: Engine, params: EngineParams, rollout: RolloutParams, base: Path, tokenizer: PreTrainedTokenizerBase
) -> Sampler:
    """Samples by vLLM, or the model in training itself, or a copy of it where ZeRO has scattered its weights.

    vLLM and the copy are made from `base` and take the trained weights at their first `refresh`.
    """
    if rollout.engine == "vllm":
        return VLLMSampler(
            start_vllm(base, params.precision, rollout.gpu_memory, sleeps=True),
            engine.model,
            engine.each_weight,
            tokenizer,
            rollout.max_new_tokens,
            tolerance=PROBE_TOLERANCE if params.precision == "float32" else rollout.mismatch_budget,
            device=engine.device,
        )
    if params.name == "deepspeed" and params.zero_stage == 3:
        return CopySampler(load_model(base).to(engine.device), engine.each_weight, tokenizer, rollout.max_new_tokens)
    return ModelSampler(engine.module, tokenizer, rollout.max_new_tokens)


def open_session(
    run: str,
    key: str,
    steps: int,
    trajectory: TrajectoryParams,
    engine: Engine,
    tokenizer: PreTrainedTokenizerBase,
    extra_state: Mapping[str, Tensor] | None = None,
    critic: Engine | None = None,
) -> tuple[Session, Workspace]:
    """A session that goes on from the run's newest saved state, if there is one."""
    workspace = Workspace(SCRATCH, run, key, engine.rank)
    session = Session(
        engine=engine,
        tokenizer=tokenizer,
        workspace=workspace,
        live=LOGS / run,
        last_step=steps,
        kept_steps=checkpoint_steps(steps, trajectory.per_octave),
        extra_state=extra_state,
        critic=critic,
    )
    return session, workspace


def publish(
    stage: Stage, engine: Engine, session: Session, workspace: Workspace, run: str, about: dict[str, Any]
) -> None:
    """Put the finished run under models/, unless what it was made from has changed meanwhile."""
    stage.check_unchanged()
    engine.wait()
    if engine.rank > 0:
        return
    target = MODELS / run
    workspace.publish(target, list(session.kept_steps), session.state, about | {"run": run})
    last = session.state.metrics[-1]
    print(f"{target}: step {last['step']}, training accuracy {last['accuracy']:.3f}")
