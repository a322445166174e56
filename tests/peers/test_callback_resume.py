"""A run that is killed and goes on from the trainer's checkpoint is the run without the kill."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from toy import HERE, PATHS, PROMPTS, Notes, distillation

from effopd.callback import CallbackError, EffOPDCallback, TeacherKL
from effopd.files import read_json

KILLED = (("whole", 0), ("third", 3), ("third", 0), ("fifth", 5), ("fifth", 0))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A whole run; two that are killed behind steps 3 and 5, and resumed; and what they said."""
    root = tmp_path_factory.mktemp("runs")
    jobs = [f"{root / name}:{step}" for name, step in KILLED]
    done = subprocess.run(
        [sys.executable, str(HERE / "resumed.py"), *jobs],
        env=os.environ | {"PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return root, [line for line in done.stdout.splitlines() if line.startswith(("from", "ended"))]


def test_runs_that_are_killed_within_a_search_end_with_the_same_weights_and_decisions(
    runs: tuple[Path, list[str]],
) -> None:
    root, said = runs
    assert said == [
        *("from None", "ended 0"),
        *("from None", "ended -9", "from checkpoint-2", "ended 0"),
        *("from None", "ended -9", "from checkpoint-4", "ended 0"),
    ]
    triggers = read_json(root / "whole/triggers.json")
    assert [row["step"] for row in triggers] == [1, 2, 3, 4, 5, 6]
    assert len({row["learning_rate"] for row in triggers}) > 2
    expected = load_file(root / "whole/weights.safetensors")
    assert [row["step"] for row in read_json(root / "whole/foreseen.json")] == [1, 2, 4]
    for name in ("third", "fifth"):
        for said in ("triggers.json", "foreseen.json"):
            assert read_json(root / name / said) == read_json(root / "whole" / said)
        found = load_file(root / name / "weights.safetensors")
        assert all(weight.equal(expected[key]) for key, weight in found.items())


def checkpointed(folder: Path, **settings: Any) -> Path:
    """The newest checkpoint of a short run."""
    saved = {"save_strategy": "steps", "save_steps": 2, "max_steps": 2}
    distillation(folder, [callback(**settings)], **saved).train()
    return folder / "checkpoint-2"


def callback(**settings: Any) -> EffOPDCallback:
    return EffOPDCallback.rate_free(TeacherKL(tiny.guesser(9, 1), PROMPTS, completions=8), **settings)


def refused(folder: Path, checkpoint: Path, **settings: Any) -> str:
    trainer = distillation(folder, [callback(**settings)])
    with pytest.raises(CallbackError) as caught:
        trainer.train(resume_from_checkpoint=str(checkpoint))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_its_files_are_safetensors_and_json(tmp_path: Path) -> None:
    own = sorted(file.name for file in (checkpointed(tmp_path) / "effopd").iterdir())
    assert own == ["rank-0.json", "rank-0.safetensors"]


def test_a_checkpoint_without_its_state_is_refused_instead_of_starting_anew(tmp_path: Path) -> None:
    checkpoint = checkpointed(tmp_path)
    shutil.rmtree(checkpoint / "effopd")
    assert "checkpoint-2 holds no state of EffOPD: resume from an earlier checkpoint" in refused(tmp_path, checkpoint)


@pytest.mark.parametrize("file", ["rank-0.json", "rank-0.safetensors"])
def test_a_damaged_state_is_named(tmp_path: Path, file: str) -> None:
    checkpoint = checkpointed(tmp_path)
    whole = (checkpoint / "effopd" / file).read_bytes()
    (checkpoint / "effopd" / file).write_bytes(whole[: len(whole) // 2])
    assert f"{checkpoint / 'effopd'}: damaged (" in refused(tmp_path, checkpoint)


def test_a_state_that_belongs_to_other_weights_is_refused(tmp_path: Path) -> None:
    """A checkpoint of the same step from elsewhere, with another's state in the trainer's own folder."""
    ours = checkpointed(tmp_path / "ours")
    checkpointed(tmp_path / "theirs")
    elsewhere = tmp_path / "theirs/checkpoint-2"
    weights = load_file(elsewhere / "model.safetensors")
    next(iter(weights.values())).view(torch.int32).add_(1)
    save_file(weights, elsewhere / "model.safetensors", {"format": "pt"})
    assert f"{ours / 'effopd'} was saved with other weights" in refused(tmp_path / "ours", elsewhere)


def test_foresight_is_refused_where_the_trainer_begins_with_other_weights_than_the_run_did(tmp_path: Path) -> None:
    checkpoint = checkpointed(tmp_path, foresight=True)
    with pytest.raises(CallbackError, match="these are other weights: make the trainer with the model") as caught:
        distillation(tmp_path, [callback(foresight=True)], model=tiny.guesser(7, 2)).train(
            resume_from_checkpoint=str(checkpoint)
        )
    assert "\n" not in str(caught.value)


def test_resume_from_says_where_the_state_is_when_the_trainer_resumes_from_elsewhere(tmp_path: Path) -> None:
    checkpoint = checkpointed(tmp_path / "first")
    notes, again = Notes(), callback(resume_from=checkpoint)
    trainer = distillation(tmp_path / "second", [again, notes], max_steps=3)
    trainer.train(resume_from_checkpoint=str(checkpoint))
    assert [row["step"] for row in again.triggers] == [1, 2, 3]
