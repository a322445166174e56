"""The folder is all that another DVC project needs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc_project import Project

PIPELINE = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_folder_works_in_a_project_of_which_it_knows_nothing_and_tests_itself_there(tmp_path: Path) -> None:
    project = Project(tmp_path / "other")
    project.write(
        "dvc.yaml", "stages:\n  shout:\n    cmd: tr a-z A-Z < words > loud\n    deps: [words]\n    outs: [loud]\n"
    )
    project.write("words", "hello\n")
    project.git("init", "-q", "-b", "main")
    project.dvc("init", "-q")
    shutil.copytree(PIPELINE, project.root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))

    def python(*args: str) -> str:
        path = {"PYTHONPATH": str(project.root), "PREFECT_HOME": str(tmp_path / "home")}
        command = [sys.executable, "-m", *args]
        done = subprocess.run(
            command, cwd=project.root, env=os.environ | path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert python("pipeline", "run").endswith("Completed: 1 RAN\n")
    assert project.read("loud") == "HELLO\n"
    said = python("pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", "pipeline/tests")
    assert " passed" in said and "skipped" not in said
