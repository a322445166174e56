"""The wheel alone in an environment of its own (`make test-light`): what it brings, how quick it is, every command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import load_file

from effopd.models.folder import WEIGHTS
from effopd.models.store import load_model, save_model
from effopd.models.weights import save_weights

PYTHON = Path(os.environ["LIGHT"]).absolute() / "bin/python"
NOT_THERE = (
    "dvc",
    "prefect",
    "fastapi",
    "tensorboard",
    "datasets",
    "vl_convert",
    "stages",
    "pipeline",
)


def run(arguments: Sequence[str | Path], folder: Path) -> str:
    """What a program of the light environment prints; away from the checkout, so that nothing of it is imported."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, arguments)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("light")
    save_model(root / "base", tiny.model(layers=2), tiny.tokenizer())
    for step in (1, 4):
        shutil.copytree(root / "base", root / f"run/step_{step}")
        moved = {n: w + 0.01 * step * torch.randn(w.shape) for n, w in load_file(root / "base" / WEIGHTS).items()}
        save_weights(root / f"run/step_{step}" / WEIGHTS, moved)
    return root


def test_nothing_but_the_library_is_installed(tmp_path: Path) -> None:
    program = f"import importlib.util as u, json; print(json.dumps([n for n in {NOT_THERE!r} if u.find_spec(n)]))"
    assert json.loads(run([PYTHON, "-c", program], tmp_path)) == []
    run([PYTHON, "-m", "pip", "check"], tmp_path)
    here = run([PYTHON, "-c", "import effopd; print(effopd.__file__)"], tmp_path)
    assert "site-packages" in here


def test_importing_takes_two_seconds_of_processor_time_at_most(tmp_path: Path) -> None:
    """With everything behind the public names, and for the command's list of commands too."""
    program = (
        "import time; import effopd; print(time.process_time()); "
        "[getattr(effopd, name) for name in effopd.__all__]; print(time.process_time())"
    )
    alone, used = map(float, run([PYTHON, "-c", program], tmp_path).split())
    assert alone <= 2 and used <= 4, (alone, used)


@pytest.mark.parametrize(
    "arguments",
    [
        ["spectrum", "base", "run/step_4"],
        ["spectrum", "base", "run/step_4", "--matrices"],
        ["spectrum", "base", "run/step_4", "--json"],
        ["align", "base", "run"],
        ["compare", "base", "run/step_1"],
        ["extrapolate", "run/step_1", "run/step_4", "--multiplier", "2", "--out", "leap"],
        ["rescale", "base", "run/step_1", "run/step_4", "--out", "rescaled"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_every_checkpoint_command_works(world: Path, arguments: list[str]) -> None:
    said = run([PYTHON.parent / "effopd", *arguments], world)
    assert said.strip()
    if "--out" in arguments:
        load_model(world / arguments[-1])


def test_the_functions_do_what_the_commands_do(world: Path) -> None:
    program = (
        "import effopd, json; from dataclasses import asdict; "
        "print(json.dumps(asdict(effopd.spectrum('base', 'run/step_4').averages['all'])))"
    )
    by_function = json.loads(run([PYTHON, "-c", program], world))
    by_command = json.loads(run([PYTHON.parent / "effopd", "spectrum", "base", "run/step_4", "--json"], world))
    assert by_function == by_command["averages"]["all"]


def test_what_needs_an_extra_says_which(world: Path) -> None:
    done = subprocess.run(
        [PYTHON.parent / "effopd", "merge", "base", "run", "--out", "merged"],
        cwd=world, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "pip install 'effopd[lora]'" in done.stderr and done.stderr.count("\n") == 1
