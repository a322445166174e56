"""Checkpoints that commands cannot use, and places they must not write to: one line each, and nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from checkpoint_commands import refused, rewrite, write_world
from safetensors.torch import load_file
from test_model_folders import cut, edit, shard

from effopd.models.folder import WEIGHTS
from effopd.models.store import save_model
from effopd.models.weights import save_weights

UP = "model.layers.0.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("checkpoints"))


def int8(folder: Path) -> str:
    rewrite(folder, lambda name, weight: weight.to(torch.int8) if name == UP else weight)
    return f"{folder / WEIGHTS}: {UP} is I8"


def not_a_number(folder: Path) -> str:
    rewrite(folder, lambda name, weight: weight * torch.nan if name == UP else weight)
    return f"{folder / WEIGHTS}: {UP} is not finite"


def another_shape(folder: Path) -> str:
    rewrite(folder, lambda name, weight: weight[:-1].clone() if name == UP else weight)
    return f"{folder / WEIGHTS}: {UP} has the shape 23 × 16, and 24 × 16 in "


def without_a_tensor(folder: Path) -> str:
    rewrite(folder, lambda name, weight: None if name == UP else weight)
    return f"{folder}: {UP} missing, which "


def with_another(folder: Path) -> str:
    weights = load_file(folder / WEIGHTS)
    save_weights(folder / WEIGHTS, weights | {"extra.weight": torch.ones(2, 2)})
    return f"/base: extra.weight missing, which {folder} has"


def quantised(folder: Path) -> str:
    edit(folder / "config.json", quantization_config={"quant_method": "gptq"})
    return f"{folder}: the weights are quantised (gptq)"


def damaged(folder: Path) -> str:
    cut(folder)
    return f"{folder / WEIGHTS}: damaged weights"


def incomplete(folder: Path) -> str:
    shard(folder)
    lost = max(folder.glob("*.safetensors"))
    lost.unlink()
    return f"{lost}: no such file"


def no_configuration(folder: Path) -> str:
    (folder / "config.json").unlink()
    return f"{folder}: not a model folder"


def an_adapter(folder: Path) -> str:
    (folder / "adapter_config.json").write_text("{}")
    return f"{folder / 'adapter_config.json'}: an adapter (peft)"


@pytest.mark.parametrize(
    "harm",
    [int8, not_a_number, another_shape, without_a_tensor, with_another, quantised, damaged, incomplete,
     no_configuration, an_adapter],
)  # fmt: skip
@pytest.mark.parametrize("command", ["spectrum", "align", "extrapolate", "rescale"])
def test_checkpoints_that_cannot_be_used_are_one_line_that_names_the_file(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, harm: Callable[[Path], str]
) -> None:
    bad, out = tmp_path / "bad", tmp_path / "out"
    shutil.copytree(world / "run/step_5", bad)
    expected = harm(bad)
    arguments: dict[str, list[Any]] = {
        "spectrum": [world / "base", bad],
        "align": [world / "base", world / "run/step_1", bad],
        "extrapolate": [world / "base", bad, "--multiplier", 2, "--out", out],
        "rescale": [world / "base", bad, world / "run/step_20", "--out", out],
    }
    said = refused(monkeypatch, command, *arguments[command])
    assert said.removeprefix(str(world)).startswith(expected), said
    assert not out.exists() and not list(tmp_path.glob(".out*")), "nothing is left behind"


@pytest.mark.parametrize("harm", [not_a_number, quantised, damaged, incomplete, no_configuration])
def test_the_base_is_named_when_it_is_the_bad_one(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], str]
) -> None:
    shutil.copytree(world / "run/step_1", tmp_path / "bad")
    expected = harm(tmp_path / "bad")
    for command, more in (("spectrum", []), ("align", []), ("compare", [])):
        assert refused(monkeypatch, command, tmp_path / "bad", world / "run/step_5", *more).startswith(expected)


def test_nothing_is_written_over_and_only_what_can_be_meant_is_written(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("precious")
    places = (world / "base", world / "run/step_5")
    for out in (tmp_path / "out", tmp_path / "out/mine"):
        said = refused(monkeypatch, "extrapolate", *places, "--multiplier", "2", "--out", out)
        assert said == f"{out}: it exists already; name a new folder, nothing is written over"
    assert (tmp_path / "out/mine").read_text() == "precious"
    new = ("--out", tmp_path / "new")
    assert "multiplier must be a finite" in refused(monkeypatch, "extrapolate", *places, "--multiplier", "nan", *new)
    assert "beta must be a finite" in refused(monkeypatch, "rescale", *places, places[1], "--beta", "inf", *new)


def test_weights_beyond_what_a_dtype_holds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, factor in (("base", 1), ("trained", 1000)):
        save_model(tmp_path / name, tiny.model(), tiny.tokenizer())
        rewrite(tmp_path / name, lambda _, weight, factor=factor: (factor * weight).half())
    places = (tmp_path / "base", tmp_path / "trained")
    said = refused(monkeypatch, "extrapolate", *places, "--multiplier", "1e9", "--out", tmp_path / "out")
    assert "would be beyond what F16 can hold" in said
