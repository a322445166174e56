"""The commands on a sharded pair of 2 GB: memory is bounded by the largest tensor, not by the model."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from effopd.models.folder import INDEX

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

HIDDEN, WIDE, VOCABULARY, LAYERS = 384, 12_288, 160_000, 33
PARTS = {"gate_proj": (WIDE, HIDDEN), "up_proj": (WIDE, HIDDEN), "down_proj": (HIDDEN, WIDE)}
NAMED = [("model.embed_tokens.weight", (VOCABULARY, HIDDEN))] + [
    (f"model.layers.{layer}.mlp.{part}.weight", shape) for layer in range(LAYERS) for part, shape in PARTS.items()
]
MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def write(folder: Path, shards: int, dtype: torch.dtype, noise: float) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2", "tie_word_embeddings": True}))
    places: dict[str, str] = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        weights = {}
        for number, (name, shape) in enumerate(NAMED):
            if number % shards == shard:
                generator = torch.Generator().manual_seed(number)
                weight = 0.02 * torch.randn(shape, generator=generator)
                weights[name] = (weight.bfloat16() + noise * torch.randn(shape, generator=generator)).to(dtype)
        save_file(weights, folder / file)
        places |= dict.fromkeys(weights, file)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("large")
    write(root / "base", 2, torch.bfloat16, 0.0)
    write(root / "trained", 3, torch.float32, 1e-5)
    assert sum(math.prod(shape) for _, shape in NAMED) * 4 >= 2e9
    return root


@pytest.mark.parametrize(
    "arguments",
    [
        ["spectrum", "base", "trained"],
        ["align", "base", "trained"],
        ["compare", "base", "trained"],
        ["extrapolate", "base", "trained", "--multiplier", "4", "--out", "leap"],
        ["rescale", "base", "trained", "trained", "--out", "rescaled"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_more_than_three_of_the_largest_tensors_are_in_memory(pair: Path, arguments: list[str]) -> None:
    program = "from effopd.cli import main; main()"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MEASURED, sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=pair, env=environment, capture_output=True, text=True, check=True)
    status, peak = map(int, done.stdout.split())
    assert status == 0, done.stderr[-2000:]
    assert peak <= 3 * 4 * VOCABULARY * HIDDEN + 2**30, f"{peak / 2**30:.2f} GiB"
