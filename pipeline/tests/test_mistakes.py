"""Mistakes in the form, or in how a worker was started, end in one line and run no stage."""

import os
from pathlib import Path

import pytest
from dvc_project import Project
from served import PYTHON, QUICK, Server

from pipeline.held import held

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"overrides": "score.sample=8"}, "overrides: score.sample: params.yaml has no 'score.sample'"),
        ({"overrides": "train.steps=[2, 4]"}, "overrides: train.steps: expected a whole number, got '[2, 4]'"),
        ({"targets": "prepare, base"}, "'base' not found"),
        ({"max_parallel": -5}, "max_parallel: expected a whole number from 1, got -5"),
        ({"experiment": "../out"}, "experiment: '../out': use letters, digits"),
        ({"workspace": "elsewhere"}, "not the root of a DVC project"),
    ],
)
def test_a_mistake_in_the_form_is_one_line(
    deployed: Project, serving: Server, fields: dict[str, object], complaint: str
) -> None:
    run = serving.start(**fields)
    name, message = serving.finished(run)
    assert name == "Failed" and complaint in message and "\n" not in message
    assert "Traceback" not in serving.said(run)
    assert serving.tasks(run) == {}


def test_a_worker_that_was_not_told_its_workspace_says_what_it_misses(
    deployed: Project, serving: Server, tmp_path: Path
) -> None:
    serving.post("work_pools/dvc/queues", name="untold")
    environment = {**os.environ, **QUICK, **serving.environment, "PYTHONPATH": str(deployed.root)}
    worker = [PYTHON, "-m", "prefect", "worker", "start", "--pool", "dvc", "--work-queue", "untold", "--limit", "1"]
    with held(worker, tmp_path, environment, tmp_path / "worker.log"):
        run = serving.start(queue="untold")
        assert serving.finished(run)[0] == "Crashed"
    said = serving.said(run) + (tmp_path / "worker.log").read_text()  # newer releases say it there
    assert "PIPELINE_WORKSPACE: is not set for this worker" in said
