"""A list in the parameters becomes shorter and longer again: nothing is lost, nothing runs, nothing stays behind."""

import re

import pytest
import yaml
from dvc_project import Project
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.project.stale import put_away

FOLDER = """\
  gather:
    cmd: ls models > gathered.txt
    deps: [models]
    params: [seeds]
    outs: [gathered.txt]
"""


@pytest.fixture
def listed(project: Project) -> Project:
    """Seeds are a list in the parameters, and a stage depends on the folder of all models."""
    text = project.read("dvc.yaml").replace("seed: [0, 1]", "seed: ${seeds}")
    report = "  report:\n    cmd: python work.py report score-0.json score-1.json report.html"
    assert report in text
    before, _, _ = text.partition("  report:")
    project.write("dvc.yaml", before + FOLDER)
    project.write("params.yaml", project.read("params.yaml") + "seeds: [0, 1]\n")
    project.dvc("repro", "-q")
    return project


def with_seeds(project: Project, *seeds: int) -> None:
    project.write("params.yaml", re.sub("seeds: .*", f"seeds: {list(seeds)}", project.read("params.yaml")))


@pytest.mark.slow
def test_what_was_made_for_a_longer_list_is_put_away_and_comes_back_without_a_run(listed: Project) -> None:
    both = listed.outputs()
    with_seeds(listed, 0)
    done = CliRunner().invoke(app, ["tidy", "--root", str(listed.root)])
    assert done.stdout == "put away: models/run-1\nput away: score-1.json\n"
    listed.dvc("repro", "-q")
    assert listed.read("gathered.txt") == "run-0\n"
    with_seeds(listed, 0, 1)
    assert put_away(listed.root) == []
    assert "Running stage" not in listed.dvc("repro")
    assert listed.outputs() == both and "up to date" in listed.dvc("status")


@pytest.mark.slow
def test_nothing_is_put_away_that_could_not_come_back_or_that_somebody_needs(listed: Project) -> None:
    with_seeds(listed, 0)
    listed.write("score-1.json", "edited by hand\n")
    document = yaml.safe_load(listed.read("dvc.yaml"))
    document["stages"]["notes"]["deps"] = ["words.txt", "models/run-1/all.txt"]
    del document["stages"]["prepare"]  # no longer a stage, but a file that others read
    listed.write("dvc.yaml", yaml.safe_dump(document))
    assert put_away(listed.root) == []
    assert listed.read("score-1.json") == "edited by hand\n"
    assert (listed.root / "models/run-1/all.txt").exists() and (listed.root / "data.txt").exists()
