"""A small project that the real stages run in, and how what they wrote is compared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from closeness import ROUNDING, share_apart
from ruamel.yaml import YAML
from safetensors.torch import load_file

ROOT = Path(__file__).parents[2]
SMALL = {
    "run": {"threads": 1},
    "data": {"operations": 1, "train": 64, "validation": 8, "dev": 8, "test": 8},
    "model": {"hidden_size": 64, "layers": 2, "heads": 2, "kv_heads": 1, "mlp_size": 48},
    "base": {"steps": 80, "batch_size": 32, "warmup_steps": 5},
    "rollout": {"max_new_tokens": 12},
    "rl": {"steps": 3, "prompts_per_step": 4, "group_size": 4, "learning_rate": 1e-3},
    "opd": {"steps": 4, "prompts_per_step": 8, "learning_rate": 1e-4},
    "effopd": {"steps": 4, "multipliers": [2, 4], "samples": 2},
    "trajectory": {"per_octave": 1},
}
TWO_RANKS = {"name": "deepspeed", "ranks": 2}


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def differing(one: Path, two: Path) -> list[str]:
    """Files of two folders that are not the same bytes."""
    files = sorted(file.relative_to(one) for file in one.rglob("*") if file.is_file())
    assert files == sorted(file.relative_to(two) for file in two.rglob("*") if file.is_file())
    return [str(file) for file in files if (one / file).read_bytes() != (two / file).read_bytes()]


def assert_same_weights(reference: Path, found: Path) -> None:
    """At every checkpoint, but for rounding."""
    base, *steps = sorted(path.name for path in reference.glob("step-*"))
    assert [base, *steps] == sorted(path.name for path in found.glob("step-*"))
    start = load_file(reference / base / "model.safetensors")
    assert all(weight.equal(start[name]) for name, weight in load_file(found / base / "model.safetensors").items())
    for step in steps:
        one, other = (load_file(run / step / "model.safetensors") for run in (found, reference))
        assert share_apart(one, other, start) < ROUNDING, step


def assert_same_trajectory(reference: Path, found: Path) -> None:
    """The same losses and other logs of every step, and the same weights at every checkpoint, but for rounding."""
    for row, other in zip(rows(found / "metrics.jsonl"), rows(reference / "metrics.jsonl"), strict=True):
        assert row == pytest.approx(other, abs=1e-5, rel=1e-4)
    assert_same_weights(reference, found)


@dataclass
class Project:
    """A folder with the stages, the library and a params.yaml of its own."""

    root: Path

    def set(self, section: str, **values: Any) -> None:
        yaml = YAML()
        params = yaml.load(self.root / "params.yaml")
        params[section].update(values)
        yaml.dump(params, self.root / "params.yaml")

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYTHONPATH": "", "DS_ACCELERATOR": "cpu"}

    def run(self, stage: str, *arguments: str) -> str:
        """The stage's output. Fails the test with it when the stage fails."""
        return self._succeeded("-m", f"stages.{stage}", *arguments)

    def effopd(self, *arguments: str) -> str:
        """As `run`, for the command of that name."""
        return self._succeeded("-c", "from effopd.cli import main; main()", *arguments)

    def fail(self, stage: str, *arguments: str) -> list[str]:
        """The lines of a stage that must fail without a traceback."""
        done = self._finished("-m", f"stages.{stage}", *arguments)
        said = done.stdout + done.stderr
        assert done.returncode != 0 and "Traceback" not in said, said[-3000:]
        return said.strip().splitlines()

    def kill(self, stage: str, *arguments: str, saved: str) -> None:
        """Run a stage and kill it, with all that it started, when `saved` is there: a pattern under .scratch."""
        process = subprocess.Popen(
            [sys.executable, "-m", f"stages.{stage}", *arguments],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 300
        while not list((self.root / ".scratch").glob(saved)) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _succeeded(self, *arguments: str) -> str:
        done = self._finished(*arguments)
        assert done.returncode == 0, f"exit status {done.returncode}: {(done.stdout + done.stderr)[-3000:]}"
        return done.stdout

    def _finished(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
        )
