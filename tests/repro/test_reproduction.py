"""`dvc repro` on the whole pipeline: what it leaves behind, and that a second time gives the same."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml
from dvc_project import Project
from transformers import AutoModelForCausalLM, AutoTokenizer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def hashes(project: Project) -> dict[str, str]:
    """The content hash of every output in dvc.lock."""
    lock = yaml.safe_load(project.read("dvc.lock"))
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def test_one_repro_makes_every_run_and_the_report(reproduced: Project) -> None:
    runs = {path.name for path in (reproduced.root / "models").iterdir() if path.is_dir()}
    assert runs >= {"base", "teacher", "rl", "opd-0", "effopd-0", "opd-lr-0.001"}
    summary = json.loads(reproduced.read("reports/summary.json"))
    assert summary and reproduced.read("reports/index.html").startswith("<!doctype html>")
    assert "up to date" in reproduced.dvc("status")


def test_a_second_repro_runs_nothing(project: Project) -> None:
    before = project.outputs()
    assert "Data and pipelines are up to date." in project.dvc("repro")
    assert project.outputs() == before


def test_the_report_names_a_run_that_no_stage_makes_any_more(project: Project) -> None:
    shutil.copytree(project.root / "models/opd-0", project.root / "models/opd-9")
    said = project.dvc("repro", "report")
    assert "models/opd-9 is of no run that params.yaml asks for: `make tidy`" in said
    assert said.count("is of no run") == 1, "neither of those that it asks for nor of the base"
    assert "opd-9" not in project.read("reports/timing.json") + project.read("reports/summary.json")


def test_a_list_that_becomes_shorter_and_longer_again_runs_nothing(project: Project) -> None:
    """And the lock in between fits a fresh clone: nothing of the dropped replicate is in what it records."""

    def repro(replicates: list[int]) -> str:
        project.set_param("run", "replicates", replicates)
        tidy = subprocess.run(
            [sys.executable, "-m", "pipeline", "tidy"], cwd=project.root, check=True, capture_output=True, text=True
        )
        return tidy.stdout + project.dvc("repro")

    repro([0, 1])
    both = project.outputs()
    assert "put away: models/opd-1" in repro([0])
    assert not [path for room in ("models", "reports") for path in (project.root / room).rglob("*opd-1*")]
    assert "Running stage" not in repro([0, 1])
    assert project.outputs() == both
    assert "up to date" in project.dvc("status")
    clone = Project(project.root.parent / "clone")
    repro([0])
    project.commit("one replicate")
    project.git("clone", "-q", ".", str(clone.root))
    clone.dvc("config", "--local", "cache.dir", str(project.root / ".dvc/cache"))
    clone.dvc("checkout", "-q")
    assert "up to date" in clone.dvc("status")


def test_stages_run_afresh_elsewhere_give_the_same_hashes(project: Project) -> None:
    before = hashes(project)
    for folder in (".scratch", "logs", ".dvc/cache/runs"):
        shutil.rmtree(project.root / folder)
    stages = ["prepare", "base", "rl", "opd@0", "sweep@0.001", "effopd@0", "evaluate-rl", "spectral@effopd-0"]
    project.dvc("repro", "--force", "--single-item", *stages)
    assert hashes(project) == before


def test_outputs_name_no_folder_of_the_machine(reproduced: Project) -> None:
    root = reproduced.root.as_posix().encode()
    assert [name for name, content in reproduced.outputs().items() if root in content] == []


def test_models_are_ordinary_and_free_of_pickles(reproduced: Project) -> None:
    models = reproduced.root / "models"
    kinds = {path.suffix for path in models.rglob("*.*") if path.is_file()}
    assert kinds <= {".safetensors", ".json", ".jsonl", ".jinja", ".md"}
    for folder in sorted({path.parent for path in models.rglob("config.json")}):
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        ids = tokenizer("1+2", return_tensors="pt").input_ids
        assert model.generate(ids, max_new_tokens=2, do_sample=False).shape[1] > ids.shape[1]


def test_the_commands_of_a_dvc_user_work(project: Project) -> None:
    assert "report" in project.dvc("dag")
    assert len(json.loads(project.dvc("metrics", "show", "--json"))) >= 1
    project.set_param("report", "title", "Another title")
    assert "report.title" in project.dvc("params", "diff")
    project.dvc("repro", "-q")
    assert "Another title" in project.read("reports/index.html")
    project.dvc("metrics", "diff")
    page = project.root / "dvc_plots" / "index.html"
    project.dvc("plots", "show", "--out", page.parent.as_posix())
    assert "vega" in page.read_text()


def test_an_experiment_runs_with_a_changed_value(project: Project) -> None:
    said = project.dvc("exp", "run", "--name", "titled", "--set-param", "report.title=An experiment")
    assert "Ran experiment" in said or "titled" in said
    assert "An experiment" in project.read("reports/index.html")
    shown = json.loads(project.dvc("exp", "show", "--json"))
    assert "titled" in json.dumps(shown)
