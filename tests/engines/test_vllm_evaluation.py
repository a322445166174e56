"""Checkpoints and taken-apart updates evaluated by real vLLM, started once and given one model after another."""

from __future__ import annotations

import json
from collections.abc import Callable

import pyarrow.parquet as pq
import pytest
from small_project import Project

pytest.importorskip("vllm", reason="make test-engines installs it")


def test_the_stages_evaluate_with_vllm_what_they_evaluate_with_transformers(another: Callable[[], Project]) -> None:
    project = another()
    project.set("opd", learning_rate=3e-3)
    project.set("evaluate", samples=16)
    project.set("interventions", samples=16, progress=[0.5], top_percent=[], bottom_percent=[])
    project.run("opd", "--replicate", "0")
    curves, apart = [], []
    for engine in ("transformers", "vllm"):
        project.set("rollout", engine=engine, gpu_memory=0.1)
        project.run("evaluate", "--method", "opd-0")
        project.run("interventions", "--method", "opd-0")
        curves.append(json.loads((project.root / "reports/evaluation/opd-0/curve.json").read_text()))
        apart.append(pq.ParquetFile(project.root / "reports/interventions/opd-0.parquet").read().to_pylist())
    for one, other in zip(*curves, strict=True):
        assert one["step"] == other["step"] and one.get("greedy") == other.get("greedy")
        assert abs(one["accuracy"] - other["accuracy"]) < 5 * (0.25 / 128) ** 0.5, "other draws, one distribution"
    assert [row["experiment"] for row in apart[0]] == [row["experiment"] for row in apart[1]]
    for one, other in zip(*apart, strict=True):
        assert one["update_norm"] == other["update_norm"]
        assert abs(one["accuracy"] - other["accuracy"]) < 5 * (0.25 / 128) ** 0.5
