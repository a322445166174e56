"""The stage as a process, and the commit that it reports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from planted_world import World

from effopd.files import write_json, write_jsonl
from effopd.params.section import read_yaml
from stages.revision import Revision, revision

ROOT = Path(__file__).parents[3]
BENCHMARKED = {"title": "AIME 2024", "accuracy": 0.5, "low": 0.4, "high": 0.6, "problems": 30, "samples": 8}


def test_the_stage_writes_the_same_bytes_twice(tmp_path: Path) -> None:
    """Two processes of the real stage, in two folders: ids, hash seeds, paths and clocks must not show."""
    params = (ROOT / "params.yaml").read_text()
    for before, after in (("  - 5.0e-4\n  - 1.0e-3\n", ""), ("  - 1\n  - 2\n  threads", "  threads")):
        assert before in params
        params = params.replace(before, after)
    projects = [tmp_path / "here", tmp_path / "elsewhere"]
    running = []
    for project in projects:
        World(project, replicates=(0,), rates=(3e-4,))
        about = json.loads((project / "data/about.json").read_text())
        write_json(project / "data/benchmarks/aime24.json", about | {"questions": 30})
        for run in read_yaml(ROOT / "params.yaml")["benchmark"]["runs"]:
            write_json(project / f"reports/benchmarks/{run}/aime24/metrics.json", BENCHMARKED)
        for package in ("effopd", "stages"):
            shutil.copytree(ROOT / package, project / package, ignore=shutil.ignore_patterns("__pycache__"))
        (project / "params.yaml").write_text(params)
        write_jsonl(project / "models/base/metrics.jsonl", [{"step": 1}])  # the base is no run, and must not be dropped
        shutil.copytree(project / "models/opd-0", project / "models/opd-9")
        command = [sys.executable, "-m", "stages.report"]
        running.append(subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True))
    for process in running:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert re.findall("(.*) is of no run", said) == ["models/opd-9"]
    first, second = (
        {file.relative_to(project): file.read_bytes() for file in (project / "reports").rglob("*") if file.is_file()}
        for project in projects
    )
    assert first == second
    told = json.loads(first[Path("reports/summary.json")])
    assert "on 1 benchmark: AIME 2024 (30 problems)" in told["claims"]["every_scale"]["finding"]
    names = {path.name for path in first}
    assert {"index.html", "summary.json", "metrics.json", "learning_curves.svg", "candidates.csv", "opd-0.md"} <= names


def test_revision_tells_edited_files_from_the_lock_that_the_pipeline_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert revision() == Revision(None, None)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    for name in ("code.py", "dvc.lock"):
        (tmp_path / name).write_text("1")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    found = revision()
    assert found.commit is not None and len(found.commit) == 40 and found.is_modified is False
    (tmp_path / "dvc.lock").write_text("2")
    (tmp_path / "untracked").write_text("2")
    assert revision().is_modified is False
    (tmp_path / "code.py").write_text("2")
    assert revision().is_modified is True
