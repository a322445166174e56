"""DeepSpeed's engine on two real ranks against torch: the same loop, rollouts and losses in every ZeRO stage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import ROUNDING, share_apart
from safetensors.torch import load_file
from small_project import ROOT
from torch import Tensor

pytest.importorskip("deepspeed", reason="make test-engines installs it")

STAGES = [0, 1, 2, 3]
TINY_RATE = {"learning_rate": 1e-6, "steps": 4}
RUNS: dict[str, dict[str, dict[str, Any]]] = {
    **{
        f"zero-{s} of {m}": {"engine": {"zero_stage": s}, "optimizer": {"micro_batch": m}}
        for s in STAGES
        for m in (8, 1)
    },
    **{f"offload {s}": {"engine": {"zero_stage": s, "offload_optimizer": True}} for s in (1, 2, 3)},
    **{f"checkpointing {s}": {"engine": {"zero_stage": s, "activation_checkpointing": True}} for s in (2, 3)},
    **{f"chunks {s}": {"engine": {"zero_stage": s, "loss_chunk": 5}} for s in (0, 3)},
    **{
        f"bfloat16 {s}": {
            "engine": {"zero_stage": s, "precision": "bfloat16"},
            "optimizer": {"weight_decay": 0.0},
            "opd": TINY_RATE,
        }
        for s in STAGES
    },
}  # fmt: skip
TORCH = {"name": "torch", "ranks": 1}
LORA: dict[str, dict[str, Any]] = {
    "engine": {"lora_rank": 2, "lora_alpha": 4.0},
    "opd": {"learning_rate": 1e-3, "steps": 4},
    "effopd": {"multipliers": [1.0, 2.0]},
}
RUNS |= {
    f"lora {s} {p}": LORA | {"engine": LORA["engine"] | {"zero_stage": s, "precision": p}}
    for s, p in [(0, "float32"), (1, "float32"), (2, "float32"), (0, "bfloat16"), (2, "bfloat16")]
}

FREE: dict[str, dict[str, Any]] = {
    "opd": {"learning_rate": 3e-3, "loss": "reverse_kl", "updates_per_batch": 3, "least_effective": 0.97},
    "effopd": {"triggers": 1, "multipliers": [1.0, 3.0, -0.5], "score": "teacher_kl", "rate": "follow"},
}
"""A search by the teacher after every update; batches are left when their completions have become too unlike."""
RUNS |= {f"free {s}": FREE | {"engine": {"zero_stage": s}} for s in STAGES}
RUNS |= {f"free {s} offload": FREE | {"engine": {"zero_stage": s, "offload_optimizer": True}} for s in (1, 2, 3)}


class Result:
    def __init__(self, folder: Path) -> None:
        self.metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        self.triggers = [json.loads(line) for line in (folder / "triggers.jsonl").read_text().splitlines()]
        self.before, self.after = (load_file(folder / f"{when}.safetensors") for when in ("before", "after"))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """All runs of two ranks, in one start of them, and torch's runs in a process without DeepSpeed."""
    root = tmp_path_factory.mktemp("ranks")
    alone = {f"torch of {m}": {"engine": TORCH, "optimizer": {"micro_batch": m}} for m in (16, 2, 1)}
    alone["torch with a free search"] = FREE | {"engine": TORCH}
    alone["torch with lora"] = LORA | {"engine": LORA["engine"] | TORCH}
    for ranks, runs in ((1, alone), (2, RUNS)):
        plan = root / f"runs-{ranks}.json"
        plan.write_text(json.dumps(runs))
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(ranks)]
        done = subprocess.run(
            [*launcher, str(Path(__file__).with_name("two_ranks.py")), str(plan), str(root)],
            env=os.environ
            | {"OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu", "TQDM_DISABLE": "1"}
            | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests/unit'}"},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return {name: Result(root / name) for name in alone | RUNS}


def assert_same(found: Result, expected: Result) -> None:
    assert len(found.metrics) == len(expected.metrics) > 0
    for row, other in zip(found.metrics, expected.metrics, strict=True):
        assert row == pytest.approx(other, abs=1e-5, rel=1e-4)
    assert share_apart(found.after, expected.after, expected.before) < ROUNDING
    moved = max((found.after[name] - found.before[name]).abs().max().item() for name in found.after)
    assert moved > 2e-4, "three steps of 1e-4; weights that stand still would agree too"


@pytest.mark.parametrize("run", [name for name in RUNS if name.split()[0] not in ("bfloat16", "lora", "free")])
def test_every_way_to_shard_split_or_recompute_a_step_trains_as_torch_does(
    results: dict[str, Result], run: str
) -> None:
    """ZeRO 0 to 3, one micro-batch of 8 or 8 of 1, offload, activation checkpointing and chunks of tokens."""
    assert_same(results[run], results["torch of 16"])


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_lora_leaps_and_trains_on_two_ranks_as_in_one_process(results: dict[str, Result], stage: int) -> None:
    found, expected = results[f"lora {stage} float32"], results["torch with lora"]
    assert found.triggers == expected.triggers
    assert any(trigger["accepted"] for trigger in found.triggers)
    assert_same(found, expected)


@pytest.mark.parametrize("run", [name for name in RUNS if name.startswith("free")])
def test_a_search_that_finds_its_own_rate_decides_on_two_ranks_as_in_one_process(
    results: dict[str, Result], run: str
) -> None:
    """Batches that are left in the middle too, whose gradients no later update may hold."""
    found, expected = results[run], results["torch with a free search"]
    assert any(row["updates"] < 3 for row in expected.metrics[:-1]), "a batch must have been left"
    assert any(trigger["accepted"] for trigger in expected.triggers)
    assert [t["accepted"] for t in found.triggers] == [t["accepted"] for t in expected.triggers]
    assert [t["learning_rate"] for t in found.triggers] == [t["learning_rate"] for t in expected.triggers]
    assert_same(found, expected)


@pytest.mark.parametrize("stage", [0, 2])
def test_lora_computes_in_bfloat16_and_leaps_in_float32(results: dict[str, Result], stage: int) -> None:
    """Each leaping weight is what its two leaps and its factors make it, to more digits than bfloat16 has."""
    found, expected = results[f"lora {stage} bfloat16"], results["torch with lora"]
    assert found.metrics[0]["loss"] != expected.metrics[0]["loss"]
    assert found.metrics[0]["loss"] == pytest.approx(expected.metrics[0]["loss"], abs=0.02)
    changes = [found.after[name] - start for name, start in found.before.items()]
    changed = [(found.after[n], c) for n, c in zip(found.before, changes, strict=True) if c.any()]
    assert changed and all((weight.bfloat16().float() != weight).float().mean() > 0.9 for weight, _ in changed)


@pytest.mark.parametrize("pieces", [2, 1])
def test_torch_accumulates_micro_batches_to_the_step_of_the_whole_batch(
    results: dict[str, Result], pieces: int
) -> None:
    lengths = {row["completion_length"] for row in results["torch of 16"].metrics}
    assert lengths != {5.0}, "completions of one length would hide a wrong normalisation"
    assert_same(results[f"torch of {pieces}"], results["torch of 16"])


@pytest.mark.parametrize("stage", STAGES)
def test_bfloat16_training_moves_float32_masters_at_a_rate_that_bfloat16_weights_would_swallow(
    results: dict[str, Result], stage: int
) -> None:
    found = results[f"bfloat16 {stage}"]
    base = results["torch of 16"].before
    assert all(weight.equal(base[name]) for name, weight in found.before.items()), (
        "masters are not rounded at the start"
    )
    moved, swallowed = [], []
    for name, start in found.before.items():
        change: Tensor = found.after[name] - start
        trained = change != 0  # rows of tokens that no prompt holds have no gradient
        moved.append(change[trained].abs())
        start = start[trained]
        swallowed.append((start.bfloat16() - 1e-6 * change[trained].sign()).bfloat16() == start.bfloat16())
    assert torch.cat(swallowed).float().mean() > 0.95, "a step of 1e-6 is less than bfloat16's spacing"
    assert len(torch.cat(moved)) > 0.8 * sum(x.numel() for x in found.before.values())
    assert 1e-6 < torch.cat(moved).median() < 4.1e-6, "four steps of 1e-6 at most"
