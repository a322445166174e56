"""PPO's two models under real DeepSpeed: the stage `rl` on two ranks against one process of torch."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_project import TWO_RANKS, Project, assert_same_trajectory, differing, rows
from torch import Tensor

pytest.importorskip("deepspeed", reason="make test-engines installs it")

RL = {
    "algorithm": "ppo", "learning_rate": 1e-4, "critic_learning_rate": 1e-3, "gae_lambda": 0.9, "updates_per_batch": 2,
}  # fmt: skip


@pytest.fixture
def project(another: Callable[[], Project]) -> Callable[[], Project]:
    """Makes a copy of the small project that is set to PPO."""

    def copy() -> Project:
        found = another()
        found.set("rl", **RL)
        return found

    return copy


@pytest.fixture(scope="module")
def by_torch(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trajectory that the torch engine makes."""
    root = tmp_path_factory.mktemp("ppo") / "project"
    shutil.copytree(trained.root, root, ignore=shutil.ignore_patterns("logs", ".scratch", "__pycache__"))
    alone = Project(root)
    alone.set("rl", **RL)
    alone.run("rl")
    return root / "models/rl"


def critic_weights(project: Project) -> list[Tensor]:
    """What the saved state of the first rank holds of the critic's masters."""
    (state,) = project.root.glob(".scratch/rl-*/state-*/tensors.safetensors")
    return [tensor for name, tensor in load_file(state).items() if name.startswith("critic/weights/")]


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_it_trains_as_with_torch_in_every_zero_stage(
    by_torch: Path, project: Callable[[], Project], stage: int
) -> None:
    found = project()
    found.set("engine", **TWO_RANKS, zero_stage=stage)
    found.run("rl")
    assert_same_trajectory(by_torch, found.root / "models/rl")
    logged = rows(by_torch / "metrics.jsonl")
    assert 0 < logged[0]["accuracy"] < 1 and logged[-1]["value_loss"] < logged[0]["value_loss"]


def test_recomputed_activations_chunks_and_micro_batches_of_one_change_nothing(
    by_torch: Path, project: Callable[[], Project]
) -> None:
    found = project()
    found.set("engine", **TWO_RANKS, zero_stage=3, loss_chunk=5, activation_checkpointing=True)
    found.set("optimizer", micro_batch=1)
    found.run("rl")
    assert_same_trajectory(by_torch, found.root / "models/rl")


@pytest.mark.parametrize("stage", [2, 3])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(project: Callable[[], Project], stage: int) -> None:
    whole, killed = project(), project()
    for each in (whole, killed):
        each.set("engine", **TWO_RANKS, zero_stage=stage)
        each.set("rl", steps=8)
    whole.run("rl")
    for earlier in ("rl", "teacher"):
        (killed.root / f"models/{earlier}").rename(killed.root / f"models/{earlier}-before")
    killed.kill("rl", saved="rl-*/rank-1/state-*")
    assert not (killed.root / "models/rl").exists(), "killed too late to show anything"
    killed.run("rl")
    assert differing(*(each.root / "models/rl" for each in (whole, killed))) == []


@pytest.mark.parametrize("stage", [0, 2, 3])
def test_in_bfloat16_the_critics_masters_are_float32(
    by_torch: Path, project: Callable[[], Project], stage: int
) -> None:
    found = project()
    found.set("engine", **TWO_RANKS, zero_stage=stage, precision="bfloat16")
    found.run("rl")
    first, expected = (rows(folder / "metrics.jsonl")[0] for folder in (found.root / "models/rl", by_torch))
    assert first["value_loss"] != expected["value_loss"]
    assert first["value_loss"] == pytest.approx(expected["value_loss"], rel=0.1)
    masters = critic_weights(found)
    assert all(master.dtype == torch.float32 for master in masters)
    weights = torch.cat([master.flatten() for master in masters])
    moved = weights[weights != 0]
    assert (moved.bfloat16().float() != moved).float().mean() > 0.9


def test_with_lora_factors_and_the_critics_head_are_trained_alone(project: Callable[[], Project]) -> None:
    pytest.importorskip("peft")
    alone, sharded = project(), project()
    for each, engine in ((alone, {}), (sharded, TWO_RANKS | {"zero_stage": 2})):
        each.set("engine", **engine, lora_rank=2)
        each.run("rl")
    assert_same_trajectory(alone.root / "models/rl", sharded.root / "models/rl")
    logged = rows(alone.root / "models/rl/metrics.jsonl")
    assert logged[-1]["value_loss"] < 0.9 * logged[0]["value_loss"], "a frozen head would keep all values at zero"
    factors = 2 * 2 * (2 * (64 + 64) + 2 * (64 + 32) + 3 * (64 + 48))  # rank, layers, inputs and outputs
    assert 2 * sum(master.numel() for master in critic_weights(sharded)) == pytest.approx(factors + 64, abs=8)
