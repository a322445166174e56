"""The real stages sampled by real vLLM: in one process, and on two ranks of real DeepSpeed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from small_project import TWO_RANKS, Project, assert_same_trajectory, differing, rows

pytest.importorskip("vllm", reason="make test-engines installs it")

SAMPLER = {"engine": "vllm", "gpu_memory": 0.1}
MEMORY = {"gpu_memory": 0.2}  # of which the sampler in the same process has taken its part


def test_a_killed_effopd_run_sampled_by_vllm_goes_on_and_ends_with_the_same_bytes(
    another: Callable[[], Project],
) -> None:
    whole, killed = another(), another()
    for project in (whole, killed):
        project.set("rollout", **SAMPLER)
        project.set("opd", loss="sampled")
        project.set("effopd", steps=8)
    whole.run("effopd", "--replicate", "0")
    killed.kill("effopd", "--replicate", "0", saved="effopd-0-*/**/state-*")
    assert not (killed.root / "models/effopd-0").exists(), "killed too late to show anything"
    killed.run("effopd", "--replicate", "0")
    assert differing(*(project.root / "models/effopd-0" for project in (whole, killed))) == []

    found = whole.root / "models/effopd-0"
    assert any(trigger["accepted"] for trigger in rows(found / "triggers.jsonl")), "a leap must have been made"
    assert_sampled_by_the_trainers_weights(rows(found / "metrics.jsonl"))


def assert_sampled_by_the_trainers_weights(logged: list[dict[str, Any]]) -> None:
    for row in logged:
        assert 0 < row["sampler_mismatch"] < 1e-5 and abs(row["sampler_ratio"] - 1) < 1e-5


@pytest.mark.parametrize("loss", ["reverse_kl", "sampled"])
def test_effopd_on_two_zero_2_ranks_makes_the_leaps_of_one_process(another: Callable[[], Project], loss: str) -> None:
    """Each rank's vLLM has the weights of all ranks, after each step and each leap."""
    alone, shared = another(), another()
    for project in (alone, shared):
        project.set("rollout", **SAMPLER)
        project.set("opd", loss=loss)
        project.set("effopd", steps=5)  # the last leap, at 4, has a step behind it whose samples show it
    shared.set("engine", **TWO_RANKS, zero_stage=2)
    for project in (alone, shared):
        project.run("effopd", "--replicate", "0")
    reference, found = (project.root / "models/effopd-0" for project in (alone, shared))
    triggers = rows(found / "triggers.jsonl")
    assert triggers == rows(reference / "triggers.jsonl")
    assert [trigger["step"] for trigger in triggers] == [1, 2, 4]
    assert any(trigger["accepted"] for trigger in triggers), "a world in which no leap is accepted shows nothing"
    assert any(candidate["score"] not in (0.0, 1.0) for t in triggers for candidate in t["candidates"])
    assert_same_trajectory(reference, found)
    assert_sampled_by_the_trainers_weights(rows(found / "metrics.jsonl"))


def test_leaps_that_vllm_misses_end_all_ranks_with_one_line(another: Callable[[], Project]) -> None:
    project = another()
    leaps = project.root / "effopd/extrapolation/leaps.py"
    told = "            self._sampler.refresh(step)\n"
    assert leaps.read_text().count(told) == 1, "the line that hands a candidate's weights to the sampler"
    leaps.write_text(leaps.read_text().replace(told, ""))
    project.set("engine", **TWO_RANKS, zero_stage=2)
    project.set("rollout", **SAMPLER)
    lines = project.fail("effopd", "--replicate", "0")
    assert any(line.startswith("error: step 0: ") and "missed the last update" in line for line in lines), lines


def test_importance_weights_of_the_sampled_loss_are_cut_off_at_the_cap(another: Callable[[], Project]) -> None:
    """vLLM in bfloat16 differs from the trainer, so that some ratios are above 1, which is one of the caps."""
    logged = []
    for cap in (1.0, 5.0):
        project = another()
        project.set("engine", **TWO_RANKS, zero_stage=2, precision="bfloat16")
        project.set("rollout", **SAMPLER, mismatch_budget=0.5)
        project.set("opd", loss="sampled", importance_cap=cap, steps=1)
        project.run("opd", "--replicate", "0")
        (row,) = rows(project.root / "models/opd-0/metrics.jsonl")
        logged.append(row)
    cut, whole = logged
    assert whole["sampler_mismatch"] > 1e-4
    changed = {name for name in whole if cut[name] != whole[name]}
    assert changed == {"loss", "grad_norm"}, "the samples and their log-probabilities are the same"


def test_opd_on_two_zero_2_ranks_with_students_and_teacher_run_by_vllm(another: Callable[[], Project]) -> None:
    project = another()
    project.set("engine", **TWO_RANKS, zero_stage=2)
    project.set("rollout", **SAMPLER)
    project.set("teacher", engine="vllm", top_k=5, **MEMORY)
    project.run("opd", "--replicate", "0")
    for row in rows(project.root / "models/opd-0/metrics.jsonl"):
        assert 0 < row["sampler_mismatch"] < 1e-5 and row["reverse_kl"] > 0


def test_heads_of_a_size_that_vllm_does_not_take_are_one_line(another: Callable[[], Project]) -> None:
    project = another()
    project.set("model", hidden_size=48)  # two heads of 24
    project.set("base", steps=0)
    project.run("base")
    project.set("rollout", **SAMPLER)
    line = project.fail("opd", "--replicate", "0")[-1]
    assert line.startswith("error: rollout.engine: vllm cannot run models/base here: ") and "24" in line
