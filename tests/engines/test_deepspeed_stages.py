"""The real stages under real DeepSpeed: two ranks on a CPU, started by the stage's own command."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file
from small_project import TWO_RANKS, Project, assert_same_trajectory, assert_same_weights, differing, rows

pytest.importorskip("deepspeed", reason="make test-engines installs it")


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_effopd_leaps_and_trains_as_with_torch_in_every_zero_stage(
    trained: Project, another: Callable[[], Project], stage: int
) -> None:
    project = another()
    project.set("engine", **TWO_RANKS, zero_stage=stage)
    project.run("effopd", "--replicate", "0")
    reference, found = (p.root / "models/effopd-0" for p in (trained, project))
    assert_same_trajectory(reference, found)
    triggers, expected = rows(found / "triggers.jsonl"), rows(reference / "triggers.jsonl")
    assert triggers == expected
    assert any(trigger["accepted"] for trigger in triggers), "a world in which no leap is accepted shows nothing"
    assert any(candidate["score"] not in (0.0, 1.0) for t in triggers for candidate in t["candidates"])


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_opd_trains_as_with_torch_in_every_zero_stage(
    trained: Project, another: Callable[[], Project], stage: int
) -> None:
    project = another()
    project.set("engine", **TWO_RANKS, zero_stage=stage)
    project.run("opd", "--replicate", "0")
    assert_same_trajectory(*(p.root / "models/opd-0" for p in (trained, project)))


def test_micro_batches_of_one_in_chunks_of_tokens_under_zero_3_equal_one_batch_with_all_logits(
    trained: Project, another: Callable[[], Project]
) -> None:
    project = another()
    project.set("engine", **TWO_RANKS, zero_stage=3, loss_chunk=5, activation_checkpointing=True)
    project.set("optimizer", micro_batch=1)
    project.run("effopd", "--replicate", "0")
    assert_same_weights(trained.root / "models/effopd-0", project.root / "models/effopd-0")


@pytest.mark.parametrize(
    ("stage", "run", "free"), [(2, "effopd-0", ()), (3, "effopd-0", ()), (2, "effopd-free-0", ("--free",))]
)
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    another: Callable[[], Project], stage: int, run: str, free: tuple[str, ...]
) -> None:
    whole, killed = another(), another()
    for project in (whole, killed):
        project.set("engine", **TWO_RANKS, zero_stage=stage)
        project.set("effopd", steps=8)
        project.set("effopd_free", steps=8)
    whole.run("effopd", *free, "--replicate", "0")
    killed.kill("effopd", *free, "--replicate", "0", saved=f"{run}-*/rank-1/state-*")
    assert not (killed.root / "models" / run).exists(), "killed too late to show anything"
    killed.run("effopd", *free, "--replicate", "0")
    assert differing(*(project.root / "models" / run for project in (whole, killed))) == []


def test_neither_a_finished_nor_a_killed_run_leaves_shared_memory_behind(another: Callable[[], Project]) -> None:
    """A leak here is taken from the machine until it is started anew: 66 MiB a rank and run."""
    before = set(Path("/dev/shm").iterdir())
    for end in ("finished", "killed"):
        project = another()
        project.set("engine", **TWO_RANKS, zero_stage=2)
        project.set("effopd", steps=8)
        if end == "finished":
            project.run("effopd", "--replicate", "0")
        else:
            project.kill("effopd", "--replicate", "0", saved="effopd-0-*/rank-1/state-*")
        assert set(Path("/dev/shm").iterdir()) <= before, end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_a_stage_ends_all_of_its_ranks(another: Callable[[], Project], number: signal.Signals) -> None:
    """To the stage's own process alone, as a scheduler sends it; whatever it has started is gone after 15 s."""
    project = another()
    project.set("engine", **TWO_RANKS, zero_stage=2)
    project.set("opd", steps=100_000)
    stage = subprocess.Popen(
        [sys.executable, "-m", "stages.opd"],
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while not list((project.root / ".scratch").glob("opd-0-*/rank-1/state-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    started = psutil.Process(stage.pid).children(recursive=True)
    assert len(started) >= 4, "two of the launcher, and two ranks"
    stage.send_signal(number)
    assert stage.wait(timeout=15) == (-number if number == signal.SIGKILL else 128 + number)
    _, left = psutil.wait_procs(started, timeout=15)
    assert [one.pid for one in left if one.status() != psutil.STATUS_ZOMBIE] == []


def test_ranks_of_something_else_in_the_environment_are_no_ranks_of_the_stage(
    another: Callable[[], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "3")
    for engine in ({"name": "torch", "ranks": 1}, TWO_RANKS):
        project = another()
        project.set("engine", **engine)
        project.set("opd", steps=1)
        project.run("opd")
        assert len(rows(project.root / "models/opd-0/metrics.jsonl")) == 1


def test_lora_under_zero_2_gives_whole_models_with_updates_of_low_rank(another: Callable[[], Project]) -> None:
    pytest.importorskip("peft")
    project = another()
    project.set("engine", **TWO_RANKS, zero_stage=2, lora_rank=2)
    project.run("opd", "--replicate", "0")
    folder = project.root / "models/opd-0"
    before, after = (load_file(folder / step / "model.safetensors") for step in ("step-000000", "step-000004"))
    changed = {name for name, start in before.items() if not after[name].equal(start)}
    assert changed == {name for name in before if ".self_attn." in name or ".mlp." in name} - {
        name for name in before if "norm" in name
    }
    for name in changed:
        values = torch.linalg.svdvals((after[name] - before[name]).double())
        assert values[2:].max() < 1e-3 * values[0], name


def test_ranks_that_cannot_share_a_batch_end_with_one_line(another: Callable[[], Project]) -> None:
    project = another()
    project.set("engine", **TWO_RANKS)
    project.set("opd", prompts_per_step=7)
    lines = project.fail("opd", "--replicate", "0")
    assert any("7 rows cannot be shared equally by 2 ranks (engine.ranks)" in line for line in lines)
