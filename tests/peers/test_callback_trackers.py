"""The callback's searches in each tracker that a trainer reports to, offline: in the run that the trainer has begun."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toy import HERE, PATHS

from effopd.files import read_json


def tracked(folder: Path, tracker: str) -> dict[int, float]:
    """The score of the weights as trained, by step of a search."""
    places = {"WANDB_MODE": "offline", "WANDB_DIR": str(folder), "TRACKIO_DIR": str(folder / "trackio")}
    done = subprocess.run(
        [sys.executable, str(HERE / "tracked.py"), str(folder), tracker],
        env=os.environ | {"PYTHONPATH": PATHS} | places,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    scores = {int(step): score for step, score in read_json(folder / "scores.json").items()}
    assert list(scores) == [1, 2, 4]
    return scores


def test_tensorboard_has_them_as_a_run_beside_the_trainers(tmp_path: Path) -> None:
    scores = tracked(tmp_path, "tensorboard")
    curves = EventAccumulator(str(tmp_path / "runs/effopd")).Reload()
    assert {one.step: one.value for one in curves.Scalars("effopd/score")} == pytest.approx(scores)
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_wandb_has_them_among_the_trainers_rows(tmp_path: Path) -> None:
    scores = tracked(tmp_path, "wandb")
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    kept = file.read_bytes()  # records for `wandb sync`, values in them as JSON
    assert b"train/loss" in kept
    assert kept.count(b"effopd/kept_score") >= len(scores)
    assert all(json.dumps(score).encode() in kept for score in scores.values())


def test_trackio_has_them_among_the_trainers_rows(tmp_path: Path) -> None:
    scores = tracked(tmp_path, "trackio")
    with sqlite3.connect(tmp_path / "trackio/effopd.db") as database:
        said = [json.loads(metrics) for (metrics,) in database.execute("select metrics from metrics")]
    assert any("train/loss" in row for row in said)
    assert {row["train/global_step"]: row["effopd/score"] for row in said if "effopd/score" in row} == scores
