"""The commands on checkpoints as a shell calls them, and checkpoints to call them on."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import load_file
from test_model_folders import shard
from torch import Tensor

from effopd import cli
from effopd.models.folder import WEIGHTS
from effopd.models.store import save_model
from effopd.models.weights import save_weights


def run(capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch, *arguments: str | Path | float) -> str:
    """What a command prints; it must succeed."""
    patch.setattr(sys, "argv", ["effopd", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code, caught.value.code
    return capsys.readouterr().out


def refused(patch: pytest.MonkeyPatch, *arguments: str | Path | float) -> str:
    """The line that a command ends with."""
    patch.setattr(sys, "argv", ["effopd", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert isinstance(caught.value.code, str), "it must be refused"
    said = caught.value.code.removeprefix("error: ")
    assert "\n" not in said and said != caught.value.code and len(said) < 2000
    return said


def rewrite(folder: Path, change: Callable[[str, Tensor], Tensor | None]) -> None:
    """Replace the weights of a folder with one file, tensor by tensor; None leaves one out."""
    weights = {name: change(name, weight) for name, weight in load_file(folder / WEIGHTS).items()}
    save_weights(folder / WEIGHTS, {name: weight for name, weight in weights.items() if weight is not None})


def noisy(scale: float, seed: int) -> Callable[[str, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda _, weight: weight.float() + scale * torch.randn(weight.shape, generator=generator)


def write_world(root: Path) -> Path:
    """A base in bfloat16, in three shards, and a run of float32 checkpoints that go on from it."""
    save_model(root / "base", tiny.model(layers=2), tiny.tokenizer())
    rewrite(root / "base", lambda _, weight: (weight * 3).bfloat16())
    for step, scale in ((1, 0.002), (5, 0.02), (20, 0.1)):
        shutil.copytree(root / "base", root / f"run/step_{step}")
        rewrite(root / f"run/step_{step}", noisy(scale, 7))
        rewrite(root / f"run/step_{step}", noisy(0.01, step))
    shard(root / "base")
    shard(root / "run/step_20", parts=2)
    return root
