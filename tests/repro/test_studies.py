"""A study, whole, with the real DVC and Prefect: what runs, what does not, what is written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc_project import Project

from effopd.files import hash_path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STUDY = """\
question: Does it hang on k?
statement: It does not.
claims: [early_alignment]
runs: [rl, opd-0]
measures: [spectral]
variants:
  one: {spectral: {top_k: 1}}
  four: {spectral: {top_k: 4}}
"""


def studied(project: Project, *names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/studies.py", *names, "--max-parallel", "1"]
    return subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture
def untrained(sources: Project, tmp_path: Path) -> Project:
    """A project in which nothing has run."""
    return Project(shutil.copytree(sources.root, tmp_path / "project"))


def ran(study: subprocess.CompletedProcess[str]) -> list[str]:
    return re.findall(r"Running stage '(.*)'", study.stderr)


def test_a_study_runs_what_differs_once_and_says_what_it_found(untrained: Project) -> None:
    project = untrained
    project.write("profiles/studies/alignment.yaml", STUDY)
    params = project.read("params.yaml")
    first = studied(project, "alignment")
    assert first.returncode == 0, first.stdout + first.stderr
    measured = ["spectral-rl", "spectral@opd-0"]
    trained = ["check", "prepare", "base", "rl", "opd@0", "evaluate-rl", "evaluate@opd-0", *measured]
    assert sorted(ran(first)) == sorted([*trained, "check", *measured])  # the second variant measures the same models
    assert project.read("params.yaml") == params
    assert not (project.root / "models").exists() and not (project.root / "dvc.lock").exists()

    record = json.loads(project.read("reports/studies/alignment.json"))
    labels = {(row["label"], row["series"]) for row in record["numbers"]}
    assert {("k = 1", "OPD"), ("k = 4", "RL"), ("k = 4", "chance")} <= labels
    assert record["variants"][1]["params"] == {"spectral.top_k": 4}
    assert record["sentence"] in project.read("docs/findings.md")
    assert record["sentence"] in project.read("reports/studies/index.html")

    assert "flow 'dvc-repro'" in first.stderr
    records = hash_path(project.root / "reports/studies")
    again = studied(project, "alignment")
    assert again.returncode == 0 and "flow 'dvc-repro'" not in again.stderr  # no flow at all
    assert "alignment.json is up to date" in again.stdout
    assert hash_path(project.root / "reports/studies") == records


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("top_k: 4", "top: 4", "profiles/studies/alignment.yaml: variants.four: spectral.top: unknown key"),
        ("alignment", "alinement", "no study named 'alinement'; known: alignment, "),
    ],
)
def test_a_wrong_study_runs_nothing_and_is_one_line(untrained: Project, old: str, new: str, said: str) -> None:
    project = untrained
    project.write("profiles/studies/alignment.yaml", STUDY.replace(old, new))
    found = studied(project, "alignment".replace(old, new))
    assert found.returncode == 1 and found.stderr.startswith("error: ") and said in found.stderr
    assert len(found.stderr.splitlines()) == 1
    assert not list((project.root / ".dvc/tmp").glob("prefect/runs/*"))
