"""A copy of the workspace has the inputs that lie only on this machine, and cannot harm them."""

import shutil
from pathlib import Path

import pytest
import yaml
from dvc_project import Project

from pipeline.copies import prepare_copy
from pipeline.dvc_process import DvcProcess
from pipeline.errors import PipelineError
from pipeline.outcome import Outcome
from pipeline.overrides import parse_overrides
from pipeline.plan import Expected
from pipeline.project.forecast import make_plan
from pipeline.stage import run_stage
from pipeline.workspace import choose_workspace


@pytest.fixture
def owned(project: Project, tmp_path: Path) -> Project:
    """The finished project, with a stage that reads a folder of the user's own files, all but one ignored by git."""
    document = yaml.safe_load(project.read("dvc.yaml"))
    document["stages"]["notes"] |= {
        "cmd": "cat own/results.txt own/deep/*.txt > own/notes.txt",
        "deps": ["own/results.txt", "own/deep", "loose-${report.title}.txt"],
        "outs": ["own/notes.txt"],
    }
    project.write("dvc.yaml", yaml.safe_dump(document))
    project.write("own/.gitignore", "*\n!.gitignore\n!README\n")
    project.write("own/README", "your files\n")
    project.write("own/results.txt", "mine\n")
    project.write("own/deep/a.txt", "a\n")
    project.write("own/deep/__pycache__/a.pyc", "not an input\n")
    project.write("own/unused.txt", "no stage reads this\n")
    project.write(".dvcignore", project.read(".dvcignore") + "__pycache__/\n")
    (tmp_path / "elsewhere").write_text("from elsewhere\n")
    (project.root / "own/deep/linked.txt").symlink_to("../../../elsewhere")
    project.write(".gitignore", project.read(".gitignore") + "/loose-*.txt\n")
    project.write("loose-results.txt", "loose\n")
    project.write("loose-other.txt", "read where the title says so\n")
    project.commit("own data")
    return project


def copied(dvc: DvcProcess, project: Project, overrides: str) -> Path:
    place = choose_workspace(project.root, parse_overrides(overrides), "tried")
    prepare_copy(dvc, place, parse_overrides(overrides))
    return place.root


def files(root: Path) -> set[str]:
    found = [*(root / "own").rglob("*"), *root.glob("loose-*")]
    return {path.relative_to(root).as_posix() for path in found if not path.is_dir()}


def test_a_copy_has_the_inputs_that_neither_git_nor_dvc_keeps_and_a_stage_runs_on_them(
    dvc: DvcProcess, owned: Project
) -> None:
    copy = copied(dvc, owned, "score.samples=8")
    inputs = {"own/results.txt", "own/deep/a.txt", "own/deep/linked.txt", "loose-results.txt"}
    assert files(copy) == inputs | {"own/.gitignore", "own/README"}
    assert make_plan(copy, ("notes",)).forecasts["notes"].expected is Expected.RAN
    assert run_stage(dvc, copy, "notes").outcome is Outcome.RAN
    assert (copy / "own/notes.txt").read_text() == "mine\na\nfrom elsewhere\n"
    assert not (owned.root / "own/notes.txt").exists()


def test_what_is_written_in_the_copy_does_not_reach_the_original(dvc: DvcProcess, owned: Project) -> None:
    copy = copied(dvc, owned, "score.samples=8")
    with (copy / "own/results.txt").open("r+") as file:
        file.write("ruin")
    assert owned.read("own/results.txt") == "mine\n"
    assert (copied(dvc, owned, "score.samples=8") / "own/results.txt").read_text() == "mine\n"


def test_a_copy_follows_the_original_and_the_overrides(dvc: DvcProcess, owned: Project) -> None:
    owned.write("own/deep/folder/c.txt", "c\n")
    copied(dvc, owned, "score.samples=8")
    owned.write("own/results.txt", "mine, edited\n")
    shutil.rmtree(owned.root / "own/deep/folder")
    (owned.root / "own/deep/a.txt").unlink()
    owned.write("own/deep/b.txt", "b\n")
    copy = copied(dvc, owned, "score.samples=8")
    assert (copy / "own/results.txt").read_text() == "mine, edited\n"
    assert not (copy / "own/deep/folder").exists()
    assert {"own/deep/b.txt", "own/deep/linked.txt"} == {name for name in files(copy) if "deep" in name}

    copy = copied(dvc, owned, "report.title=other")  # the dependency is named by a parameter
    assert "loose-other.txt" in files(copy) and "loose-results.txt" not in files(copy)


def test_bad_parameters_are_explained_by_the_check_before_dvc_is(dvc: DvcProcess, owned: Project) -> None:
    owned.write("prefect.yaml", "pipeline: {check: sh -c 'echo title is bad >&2; exit 1'}\n")
    document = yaml.safe_load(owned.read("dvc.yaml"))
    document["stages"]["notes"]["deps"].append("${no.such.key}")
    owned.write("dvc.yaml", yaml.safe_dump(document))
    with pytest.raises(PipelineError) as caught:
        copied(dvc, owned, "score.samples=8")
    assert str(caught.value) == "sh: title is bad"
