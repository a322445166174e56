"""The stages that evaluate many models one after another give each figure to the weights that it belongs to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny
from installed import needs_bubblewrap
from ruamel.yaml import YAML
from transformers import PreTrainedModel

from effopd.evaluation.accuracy import Graded, grade
from effopd.files import write_jsonl
from effopd.interventions.extrapolation import predictions
from effopd.interventions.scaling import update_norm
from effopd.models.store import save_model
from effopd.rollout.policy import ModelPolicy
from effopd.tasks.problems import write_problems
from effopd.trajectory.store import read_checkpoint

ROOT = Path(__file__).parents[2]
CHECKPOINTS = {0: (1, 3), 1: (1, 1), 2: (2, 1), 3: (9, 1)}
"""Rights and wrongs that the model of each step was taught, so that no two answer alike."""
SAMPLES = 4


@pytest.fixture
def project(tmp_path: Path) -> Path:
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["rollout"]["max_new_tokens"] = tiny.LENGTH
    params["evaluate"].update(samples=SAMPLES, pass_at=[1], resamples=50)
    params["interventions"].update(
        samples=SAMPLES, alpha=[0.5], progress=[0.3], extrapolated_from=[0.8], top_percent=[], bottom_percent=[]
    )
    yaml.dump(params, tmp_path / "params.yaml")
    for step, taught in CHECKPOINTS.items():
        save_model(tmp_path / f"models/run/step-{step:06d}", tiny.guesser(*taught), tiny.tokenizer())
    log = [{"step": step, "accuracy": accuracy} for step, accuracy in ((1, 0.3), (2, 0.5), (3, 0.7))]
    write_jsonl(tmp_path / "models/run/metrics.jsonl", log)
    (tmp_path / "data").mkdir()
    write_problems(tmp_path / "data/test.parquet", tiny.problems(8))
    return tmp_path


def launch(project: Path, stage: str, *around: str) -> subprocess.CompletedProcess[str]:
    command = [*around, sys.executable, "-m", f"stages.{stage}", "--method", "run"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=project, env=environment, check=False, capture_output=True, text=True)


def run(project: Path, stage: str) -> None:
    done = launch(project, stage)
    assert done.returncode == 0, done.stderr[-3000:]


def graded(step: int) -> Graded:
    return graded_model(tiny.guesser(*CHECKPOINTS[step]))


def graded_model(model: PreTrainedModel) -> Graded:
    return grade(
        ModelPolicy(model, tiny.tokenizer()),
        tiny.problems(8),
        samples=SAMPLES,
        greedy=False,
        seed=42,
        max_new_tokens=tiny.LENGTH,
        batch_size=512,
    )


def test_each_checkpoint_has_a_row_of_its_own_weights(project: Path) -> None:
    run(project, "evaluate")
    rows = json.loads((project / "reports/evaluation/run/curve.json").read_text())
    expected = {step: graded(step) for step in CHECKPOINTS}
    assert {row["step"]: row["accuracy"] for row in rows} == {
        step: pytest.approx(found.scores_NS.mean()) for step, found in expected.items()
    }
    assert {row["step"]: row["completion_length"] for row in rows} == {
        step: pytest.approx(found.lengths_NS.mean()) for step, found in expected.items()
    }
    assert len({row["accuracy"] for row in rows}) == len(CHECKPOINTS)


def test_each_intervention_is_scored_with_the_weights_that_it_makes(project: Path) -> None:
    run(project, "interventions")
    rows = pq.ParquetFile(project / "reports/interventions/run.parquet").read().to_pylist()
    base, trained = rows[:2]
    assert (base["alpha"], trained["alpha"]) == (0.0, 1.0)
    for row, step in ((base, 0), (trained, 3)):
        assert np.allclose(row["scores"], graded(step).scores_NS.mean(-1))
    (early,) = (row for row in rows if row["experiment"] == "rescaling" and row["beta"] == 0.0)
    assert np.allclose(early["scores"], graded(1).scores_NS.mean(-1))
    assert len({tuple(row["scores"]) for row in (base, early, trained)}) == 3


def test_predictions_are_made_from_the_first_checkpoints_and_the_log_of_training(project: Path) -> None:
    run(project, "interventions")
    rows = pq.ParquetFile(project / "reports/interventions/run.parquet").read().to_pylist()
    found = {row["extrapolation"]: row for row in rows if row["experiment"] == "extrapolated"}
    assert {row["step"] for row in found.values()} == {2}
    assert np.allclose(found["observed"]["scores"], graded(2).scores_NS.mean(-1))
    weights = {step: read_checkpoint(project / "models/run", step) for step in (0, 1, 2)}
    observed = {step: weights[step] for step in (1, 2)}
    # a step samples with the weights of the step before: 0.5 is the accuracy of step 1, 0.7 that of step 2
    for method, predicted in predictions(weights[0], observed, 3, {0: 0.3, 1: 0.5, 2: 0.7}):
        model = tiny.guesser(1, 1)
        model.load_state_dict(predicted, strict=False)
        expected = graded_model(model).scores_NS.mean(-1)
        assert np.allclose(found[method]["scores"], expected), method
        assert found[method]["update_norm"] == pytest.approx(update_norm(weights[0], predicted)), method
    assert list(found) == ["observed", "linear", "relex", "alpha_opd"]


@pytest.mark.parametrize(("log", "said"), [("", "no step is logged"), ('{"step": 1}\n', "row 1: accuracy is missing")])
def test_a_log_without_accuracies_is_named_in_one_line(project: Path, log: str, said: str) -> None:
    (project / "models/run/metrics.jsonl").write_text(log)
    found = launch(project, "interventions")
    assert found.returncode == 1 and found.stderr.startswith("error: models/run/metrics.jsonl")
    assert said in found.stderr and found.stderr.count("\n") == 1


@pytest.mark.parametrize("stage", ["evaluate", "interventions"])
def test_a_prompt_without_room_in_the_context_is_named_before_the_first_completion(project: Path, stage: str) -> None:
    problems = tiny.problems(8)
    longest = tiny.model().config.max_position_embeddings
    problems[5] = replace(problems[5], prompt=problems[5].prompt * longest)
    write_problems(project / "data/test.parquet", problems)
    done = launch(project, stage)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "data/test.parquet: the model's context of " in done.stderr and "1 of 8 prompts" in done.stderr
    assert "row 5 with " in done.stderr


@needs_bubblewrap
@pytest.mark.parametrize("stage", ["evaluate", "interventions"])
def test_a_place_that_cannot_be_written_is_named_before_long_work(project: Path, stage: str) -> None:
    results = project / "reports"
    results.mkdir()
    read_only = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", str(results), str(results), "--"]
    done = launch(project, stage, *read_only)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: reports") and "Read-only" in done.stderr
    assert not (project / ".scratch/evaluation").exists() and not (project / ".scratch/interventions").exists()
