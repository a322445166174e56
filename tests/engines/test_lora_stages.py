"""Runs with LoRA's factors through the stages that read checkpoints: evaluation and spectra."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow.parquet as pq
import pytest
from small_project import Project, rows

from effopd.files import read_json
from effopd.models.folder import WEIGHTS
from effopd.models.weights import load_weights
from effopd.spectral.modules import weight_matrices

pytest.importorskip("peft", reason="make test-engines installs it")

RANK = 2


@pytest.mark.parametrize(("run", "rank"), [("opd", RANK), ("effopd", 2 * RANK)])
def test_whole_checkpoints_whose_updates_have_the_factors_rank_are_evaluated_and_taken_apart(
    another: Callable[[], Project], run: str, rank: int
) -> None:
    """At `effopd`'s step 3 the frozen weights hold a multiple of the product as it was at the leap of step 2."""
    project, name = another(), f"{run}-0"
    project.set("engine", lora_rank=RANK)
    project.set("opd", learning_rate=1e-3)
    project.set("effopd", steps=3, multipliers=[0.1])
    for stage, argument in ((run, "--replicate=0"), ("evaluate", f"--method={name}"), ("spectral", f"--method={name}")):
        project.run(stage, argument)

    folder, reports = project.root / "models" / name, project.root / "reports"
    steps = sorted(int(path.name.removeprefix("step-")) for path in folder.glob("step-*"))
    base, *later = (load_weights(folder / f"step-{step:06d}" / WEIGHTS) for step in steps)
    start = load_weights(project.root / "models/base" / WEIGHTS)
    assert base.keys() == start.keys() and all(base[tensor].equal(weight) for tensor, weight in start.items())
    targeted = {matrix.name for matrix in weight_matrices({name: weight.shape for name, weight in base.items()})}
    assert len(targeted) == 14, "seven of each layer"
    for weights in later:
        assert weights.keys() == base.keys(), "whole models, without factors beside them"
        assert {tensor for tensor, weight in weights.items() if not weight.equal(base[tensor])} == targeted

    spectra = pq.read_table(reports / "spectral" / name / "spectra.parquet").to_pylist()
    assert {row["name"] for row in spectra} == targeted
    for row in spectra:
        values = row["singular_values"]
        assert values[rank - 1] > 10 * values[rank], "no lower"
        assert values[rank] < 1e-3 * values[0], "and no higher, but for float32's rounding"
    summary = read_json(reports / "spectral" / name / "summary.json")
    assert [summary["steps"][str(step)]["embedding_cosine"] for step in steps[1:]] == [1.0] * len(later)
    if run == "effopd":
        assert [trigger["accepted"] for trigger in rows(folder / "triggers.jsonl")] == [1, 1]

    curve = read_json(reports / "evaluation" / name / "curve.json")
    assert [row["step"] for row in curve] == steps
    assert len({(row["accuracy"], row["completion_length"]) for row in curve}) > 1, "merged weights were sampled"
