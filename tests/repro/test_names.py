"""Names from params.yaml reach no shell, and no file that they should not, under `dvc repro` alone."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from dvc_project import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TOUCH = "touch pwned"
CASES = [
    ("run", "replicates", [f"0; {TOUCH}"]),
    ("run", "replicates", [0, "0/../../docs"]),
    ("run", "replicates", [{f"a; {TOUCH}; #": 1}]),
    ("opd", "sweep", [f"$({TOUCH})"]),
    ("opd", "sweep", ["0/../../docs"]),
    ("interventions", "methods", ["../../docs/opd"]),
    ("benchmark", "datasets", [f"a;{TOUCH}"]),
    ("benchmark", "runs", [f"`{TOUCH}`"]),
    ("data", "source", "../outside"),
    ("teacher", "named", {"../x": {"source": "rl", "revision": "", "engine": "transformers", "url": ""}}),
]


@pytest.fixture
def begun(sources: Project, tmp_path: Path) -> Project:
    """The project with nothing run."""
    return Project(shutil.copytree(sources.root, tmp_path / "project"))


@pytest.mark.parametrize(("section", "key", "value"), CASES, ids=[f"{s}.{k}={v!r}"[:60] for s, k, v in CASES])
def test_a_name_that_is_more_than_a_name_is_refused_before_anything_is_touched(
    begun: Project, section: str, key: str, value: Any
) -> None:
    begun.set_param(section, key, value)
    if (section, key) == ("benchmark", "runs"):
        begun.set_param("benchmark", "datasets", ["aime24"])
    said = begun.dvc("repro", check=False)
    refused_by_dvc = "failed to parse" in said or "is specified in" in said
    assert refused_by_dvc or f"error: params.yaml: {section}" in said, said
    ran = [line for line in said.splitlines() if line.startswith("Running stage")]
    assert ran == ([] if refused_by_dvc else ["Running stage 'check':"]) and "Traceback" not in said
    assert begun.git("status", "--porcelain").split() == ["M", "params.yaml"]


@pytest.mark.parametrize("replicate", [f"0; {TOUCH}", f"0'; {TOUCH}; '", f"$({TOUCH})"])
def test_a_stage_that_is_asked_for_alone_is_given_its_names_quoted(begun: Project, replicate: str) -> None:
    for name in ("data/train.parquet", "models/base/config.json", "models/teacher/config.json"):
        begun.write(name, "")
    begun.set_param("run", "replicates", [replicate])
    said = begun.dvc("repro", "--single-item", f"opd@{replicate}", check=False)
    assert "Running stage" in said and "error: Invalid value for '--replicate'" in said, said
    assert not list(begun.root.rglob("pwned"))
