"""Checkpoints and taken-apart updates evaluated by real vLLM, started once and given one model after another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from small_project import Project
from unit import tiny
from vllm_world import LENGTH, model

from effopd.models.store import save_model
from effopd.models.weights import WEIGHTS, load_weights
from effopd.params.rollout import RolloutParams
from effopd.rollout.policy import Policy, open_policy

pytest.importorskip("vllm", reason="make test-engines installs it")

ROLLOUT = RolloutParams(engine="vllm", gpu_memory=0.1, max_new_tokens=LENGTH, mismatch_budget=1.0)
CPU = torch.device("cpu")


def test_each_model_that_is_put_into_vllm_is_the_one_that_answers(tmp_path: Path) -> None:
    folders = [tmp_path / str(seed) for seed in (3, 8, 5)]
    for folder in folders:
        save_model(folder, model(int(folder.name)), tiny.tokenizer())
    prompts = [problem.prompt for problem in tiny.problems(8)]
    by_vllm = open_policy(folders[0], ROLLOUT, "float32", CPU)
    by_transformers = open_policy(folders[0], tiny.with_values(ROLLOUT, engine="transformers"), "float32", CPU)
    answers = []
    for folder in (*folders, folders[0]):
        policies: list[Any] = [by_vllm, by_transformers]
        for policy in policies:
            policy.put(load_weights(folder / WEIGHTS))
        there, here = (greedy(policy, prompts) for policy in policies)
        assert there[0] == here[0]
        torch.testing.assert_close(there[1], here[1], rtol=0, atol=1e-5)
        answers.append(tuple(there[0]))
    assert len(set(answers)) == 3 and answers[0] == answers[-1]


def greedy(policy: Policy, prompts: list[str]) -> tuple[list[str], torch.Tensor]:
    found = policy.sample(prompts, LENGTH, None)
    return found.texts, found.logprobs_BT * found.mask_BT


def test_the_stages_evaluate_with_vllm_what_they_evaluate_with_transformers(another: Callable[[], Project]) -> None:
    project = another()
    project.set("opd", learning_rate=3e-3)
    project.set("evaluate", samples=16)
    project.set("interventions", samples=16, progress=[0.5], top_percent=[], bottom_percent=[])
    project.run("opd", "--replicate", "0")
    curves, apart = [], []
    for engine in ("transformers", "vllm"):
        project.set("rollout", engine=engine, gpu_memory=0.1)
        project.run("evaluate", "opd-0")
        project.run("interventions", "opd-0")
        curves.append(json.loads((project.root / "reports/evaluation/opd-0/curve.json").read_text()))
        apart.append(pq.ParquetFile(project.root / "reports/interventions/opd-0.parquet").read().to_pylist())
    for one, other in zip(*curves, strict=True):
        assert one["step"] == other["step"] and one.get("greedy") == other.get("greedy")
        assert abs(one["accuracy"] - other["accuracy"]) < 5 * (0.25 / 128) ** 0.5, "other draws, one distribution"
    assert [row["experiment"] for row in apart[0]] == [row["experiment"] for row in apart[1]]
    for one, other in zip(*apart, strict=True):
        assert one["update_norm"] == other["update_norm"]
        assert abs(one["accuracy"] - other["accuracy"]) < 5 * (0.25 / 128) ** 0.5
