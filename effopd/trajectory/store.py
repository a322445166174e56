"""Checkpoints as folders ``step-000008/`` that `AutoModelForCausalLM` loads, in float32.

A bfloat16 checkpoint of an early step differs from its parent mostly by rounding, which extrapolation would multiply.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from effopd.files import DataError
from effopd.models.checkpoint import Checkpoint


def step_folder(run: Path, step: int) -> Path:
    return run / f"step-{step:06d}"


def stored_steps(run: Path) -> list[int]:
    """The steps that a run has checkpoints of, ascending. Raises `DataError` when there are none."""
    names = [re.fullmatch(r"step-(\d{6,})", path.name) for path in run.iterdir()] if run.is_dir() else []
    steps = sorted(int(name[1]) for name in names if name)
    if not steps:
        raise DataError(f"{run}: no checkpoints (step-000000, …) in this folder")
    return steps


def open_checkpoint(run: Path, step: int) -> Checkpoint:
    """The weights of one step, read when they are asked for. Raises as `read_checkpoint`."""
    return Checkpoint(step_folder(run, step))


def read_checkpoint(run: Path, step: int) -> dict[str, Tensor]:
    """The weights of one step. Raises `DataError` naming the file when it is missing or damaged."""
    return open_checkpoint(run, step).load()
