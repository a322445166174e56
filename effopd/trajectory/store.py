"""Checkpoints as folders ``step-000008/`` that `AutoModelForCausalLM` loads, in float32.

A bfloat16 checkpoint of an early step differs from its parent mostly by rounding, and extrapolation would multiply that.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.files import DataError, atomic_path
from effopd.models.store import WEIGHTS, load_weights, save_weights


def step_folder(run: Path, step: int) -> Path:
    return run / f"step-{step:06d}"


def stored_steps(run: Path) -> list[int]:
    """The steps that a run has checkpoints of, ascending. Raises `DataError` when there are none."""
    names = [re.fullmatch(r"step-(\d{6,})", path.name) for path in run.iterdir()] if run.is_dir() else []
    steps = sorted(int(name[1]) for name in names if name)
    if not steps:
        raise DataError(f"{run}: no checkpoints (step-000000, …) in this folder")
    return steps


def save_checkpoint(run: Path, step: int, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write a whole checkpoint or none. The same weights give the same bytes."""
    with atomic_path(step_folder(run, step)) as folder:
        folder.mkdir()
        model.config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        save_weights(folder / WEIGHTS, dict(model.named_parameters()))


def read_checkpoint(run: Path, step: int) -> dict[str, Tensor]:
    """The weights of one step. Raises `DataError` naming the file when it is missing or damaged."""
    return load_weights(step_folder(run, step) / WEIGHTS)
