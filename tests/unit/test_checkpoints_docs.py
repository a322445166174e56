"""The worked example of docs/checkpoints.md on a small stand-in of the same layout in a cache of the hub, offline."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import hub_cache
import pytest
import tiny
from checkpoint_commands import noisy, rewrite
from test_model_folders import shard

from effopd.models.store import load_model, save_model

ROOT = Path(__file__).parents[2]
BASE, RUN = "Qwen/Qwen2.5-Math-1.5B", "relex-rlvr/RLVR-Qwen2.5-Math-1.5B"


def examples() -> list[str]:
    """The commands of the section, with continued lines joined."""
    page = (ROOT / "docs/checkpoints.md").read_text(encoding="utf-8")
    section = page.split("## A published trajectory")[1].split("\n## ")[0].replace("\\\n", "")
    return [line.strip() for line in section.splitlines() if line.startswith("    effopd ")]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    save_model(root / "made/base", tiny.model(layers=2), tiny.tokenizer())
    rewrite(root / "made/base", lambda _, weight: weight.bfloat16())
    cache = root / "cache"
    for step in (1, 10, 50, 100, 500):
        folder = root / f"made/step_{step}"
        shutil.copytree(root / "made/base", folder)
        rewrite(folder, lambda name, weight, step=step: noisy(1e-3 * step**0.5, step)(name, weight).bfloat16())
        shard(folder, parts=2)
        hub_cache.put(cache, RUN, f"step_{step}", folder)
    hub_cache.put(cache, BASE, "main", root / "made/base")
    return cache


def test_the_page_has_an_example_of_each_command_that_reads_the_hub() -> None:
    assert [line.split()[1] for line in examples()] == ["spectrum", "align", "extrapolate", "rescale"]


def test_the_examples_of_the_page_run(hub: Path, tmp_path: Path) -> None:
    environment = os.environ | {
        "HF_HUB_CACHE": str(hub),
        "HF_HUB_OFFLINE": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    said = {}
    for line in examples():
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        said[line.split()[1]] = done.stdout
    assert "effective rank" in said["spectrum"] and f"{RUN}@step_500 (" in said["spectrum"]
    assert [line.split()[0] for line in said["align"].splitlines() if RUN in line] == ["1", "10", "50", "100", "500"]
    for folder in ("leap", "rescaled"):
        load_model(tmp_path / folder)
        assert {file.name for file in (tmp_path / folder).glob("model*")} == {
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
        }
