"""A workspace with models and prompts of toy size in the place of those that `make repro` makes."""

from __future__ import annotations

import shutil
from pathlib import Path

import tiny

from effopd.models.store import save_model
from effopd.tasks.problems import write_problems
from stages import ROOT


def toy_workspace(root: Path) -> Path:
    (root / "data").mkdir(parents=True)
    shutil.copy(ROOT / "params.yaml", root)
    for name, seed in (("base", 0), ("teacher", 1)):
        save_model(root / "models" / name, tiny.model(seed), tiny.tokenizer())
    write_problems(root / "data/train.parquet", tiny.problems(16))
    return root
