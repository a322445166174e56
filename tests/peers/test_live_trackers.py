"""Live curves of our own runs in each tracker, offline."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toy import PATHS

LOGGED = """
import sys
from pathlib import Path
from effopd.train.trackers import open_tracker
folder = Path(sys.argv[2])
folder.mkdir(parents=True)
tracker = open_tracker(sys.argv[1], folder)
for step in (1, 2, 3):
    tracker.log({"loss": 0.5**step, "sampled_tokens": 64 * step}, step)
tracker.finish()
"""
LOSSES = {1: 0.5, 2: 0.25, 3: 0.125}


def launched(root: Path, tracker: str, **more: str) -> subprocess.CompletedProcess[str]:
    places = {"TRACKIO_DIR": str(root / "trackio"), "PYTHONPATH": PATHS, "HOME": str(root), "NETRC": str(root / "none")}
    without = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    command = [sys.executable, "-c", LOGGED, tracker, str(root / "logs/opd-0")]
    return subprocess.run(command, env=without | places | more, capture_output=True, text=True, check=False)


def logged(root: Path, tracker: str) -> Path:
    done = launched(root, tracker)
    assert done.returncode == 0, done.stderr[-3000:]
    return root / "logs/opd-0"


def test_tensorboard_has_every_step(tmp_path: Path) -> None:
    curves = EventAccumulator(str(logged(tmp_path, "tensorboard"))).Reload()
    assert {one.step: one.value for one in curves.Scalars("loss")} == LOSSES


def test_wandb_has_every_step_offline_without_being_told(tmp_path: Path) -> None:
    (file,) = logged(tmp_path, "wandb").glob("wandb/offline-run-*/*.wandb")
    kept = file.read_bytes()
    assert b"opd-0" in kept and all(json.dumps(loss).encode() in kept for loss in LOSSES.values())


def test_trackio_has_every_step_under_the_runs_name(tmp_path: Path) -> None:
    logged(tmp_path, "trackio")
    with sqlite3.connect(tmp_path / "trackio/effopd.db") as database:
        rows = database.execute("select run_name, step, metrics from metrics").fetchall()
    found = {step: json.loads(metrics)["loss"] for name, step, metrics in rows if name == "opd-0"}
    assert found == pytest.approx(LOSSES)


def test_what_wandb_refuses_is_one_line(tmp_path: Path) -> None:
    done = launched(tmp_path, "wandb", WANDB_MODE="online")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "ParamsError: live.tracker is wandb, which says: " in last and "wandb login" in last
