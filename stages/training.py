"""What rl, opd and effopd share: a resumable session on the way in, a published trajectory on the way out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from effopd.params.trajectory import TrajectoryParams
from effopd.train.engine import TorchEngine
from effopd.train.session import Session
from effopd.trajectory.schedule import checkpoint_steps
from effopd.trajectory.workspace import Workspace
from stages.harness import LOGS, MODELS, SCRATCH, Stage


def open_session(
    run: str,
    key: str,
    steps: int,
    trajectory: TrajectoryParams,
    engine: TorchEngine,
    tokenizer: PreTrainedTokenizerBase,
    extra_state: Mapping[str, Tensor] | None = None,
) -> tuple[Session, Workspace]:
    """A session that goes on from the run's newest saved state, if there is one."""
    workspace = Workspace(SCRATCH, run, key)
    session = Session(
        engine=engine,
        tokenizer=tokenizer,
        workspace=workspace,
        live=LOGS / run,
        last_step=steps,
        kept_steps=checkpoint_steps(steps, trajectory.per_octave),
        extra_state=extra_state,
    )
    return session, workspace


def publish(stage: Stage, session: Session, workspace: Workspace, run: str, about: dict[str, Any]) -> Path:
    """Put the finished run under models/, unless what it was made from has changed meanwhile."""
    stage.check_unchanged()
    target = MODELS / run
    workspace.publish(target, list(session.kept_steps), session.state, about | {"run": run})
    last = session.state.metrics[-1]
    print(f"{target}: step {last['step']}, training accuracy {last['accuracy']:.3f}")
    return target
