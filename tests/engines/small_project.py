"""A small project that the real stages run in."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

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


@dataclass
class Project:
    """A folder with the stages, the library and a params.yaml of its own."""

    root: Path

    def set(self, section: str, **values: Any) -> None:
        yaml = YAML()
        params = yaml.load(self.root / "params.yaml")
        params[section].update(values)
        yaml.dump(params, self.root / "params.yaml")

    def command(self, stage: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", f"stages.{stage}", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYTHONPATH": "", "DS_ACCELERATOR": "cpu"}

    def run(self, stage: str, *arguments: str) -> str:
        """The stage's output. Fails the test with it when the stage fails."""
        done = subprocess.run(
            self.command(stage, *arguments),
            cwd=self.root,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"exit status {done.returncode}: {(done.stdout + done.stderr)[-3000:]}"
        return done.stdout
