"""What real vLLM holds of the families that people publish: the trainer's weights after every change, or a refusal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_project import ROOT

pytest.importorskip("vllm", reason="make test-engines installs it")

TIED = ["qwen3 tied", "qwen2 tied", "llama tied", "gemma3", "granite", "cohere"]
REFUSED = {
    "olmo2": "rollout.engine: vllm has no olmo2 of its own: use transformers",
    "gemma2": "step 0: vLLM's log-probabilities are ",
    "qwen3_moe": "rollout.engine: vllm cannot be given new weights of a qwen3_moe here: model.layers.0.mlp.experts",
}


def in_vllm(family: str, precision: str, folder: Path) -> dict[str, Any]:
    """See `vllm_family.py`."""
    paths = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/unit"), str(ROOT / "tests/engines")]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/engines/vllm_family.py"), family, precision, str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def assert_named(found: dict[str, Any]) -> None:
    for name, said in found["stale"].items():
        assert said.startswith(f"step 2: vLLM's {name} is not the trainer's"), (name, said)
    ((name, said),) = found["evaluation"].items()
    assert said.startswith(f"evaluation: vLLM's {name} is not the trainer's"), (name, said)


@pytest.mark.parametrize("family", [*TIED, "mistral", "phi3", "gpt2"])
def test_vllm_has_all_of_a_changed_model_and_any_matrix_that_it_misses_is_named(family: str, tmp_path: Path) -> None:
    found = in_vllm(family, "float32", tmp_path)
    assert found["agreement"] < 1e-5
    assert len(found["stale"]) > 10
    assert_named(found)


def test_a_matrix_that_moved_by_a_step_of_1e_6_in_bfloat16_is_named(tmp_path: Path) -> None:
    """Such a step moves few of its numbers at this precision, each by a whole step of their rounding."""
    found = in_vllm("qwen3 tied", "bfloat16", tmp_path)
    assert len(found["stale"]) > 5
    assert_named(found)


@pytest.mark.parametrize("family", REFUSED)
def test_what_vllm_cannot_be_given_anew_is_refused_by_name(family: str, tmp_path: Path) -> None:
    assert in_vllm(family, "float32", tmp_path)["refused"].startswith(REFUSED[family])
