"""One changed value runs exactly what lies downstream; a wrong value runs nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo
from dvc_project import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DISTILLED = {"opd", "sweep", "effopd", "effopd-free"}
TRAINED = DISTILLED | {"rl"}
EVALUATED = {"evaluate-rl", "evaluate", "evaluate-sweep"}
ANALYSED = {"spectral-rl", "spectral", "spectral-sweep"}
TAKEN_APART = {"interventions-rl", "interventions"}

# Which stages read a key, beside `check`, which reads all. DVC knows what lies downstream, and is asked for it below.
READERS: dict[str, set[str]] = {
    "run.seed": {"prepare", "base", "report"} | TRAINED | EVALUATED | TAKEN_APART,
    "run.replicates": {"report"},
    "run.threads": {"base", "paths"} | TRAINED | EVALUATED | ANALYSED | TAKEN_APART,
    "run.device": {"base"} | TRAINED | EVALUATED | ANALYSED | TAKEN_APART,
    "data": {"prepare"},
    "prompt": {"prepare"},
    "model": {"base"},
    "model.source": {"prepare", "base"},  # whose context bounds the prompts
    "model.revision": {"prepare", "base"},
    "base": {"base"},
    "optimizer": {"base"} | TRAINED,
    "engine": TRAINED,
    "engine.precision": TRAINED | EVALUATED | TAKEN_APART,
    "engine.hostfile": set(),
    "rollout.engine": TRAINED | EVALUATED | TAKEN_APART,
    "live": set(),
    "rollout.gpu_memory": set(),
    "rollout.max_new_tokens": {"prepare"} | TRAINED | EVALUATED | TAKEN_APART,
    "rollout.mismatch_budget": TRAINED,
    "trajectory": TRAINED,
    "rl": {"rl", "report"},
    "teacher": DISTILLED,
    "teacher.gpu_memory": set(),
    "opd": DISTILLED | {"report"},
    "opd.steps": {"opd", "report"},
    "opd.sweep_steps": {"sweep", "report"},
    "opd.learning_rate": {"opd", "effopd", "report"},
    "opd.updates_per_batch": {"opd", "sweep", "effopd", "report"},
    "effopd": {"effopd", "report"},
    "effopd_free": {"effopd-free", "report"},
    "evaluate.samples": EVALUATED | {"report"},
    "evaluate.pass_at": EVALUATED,
    "evaluate.batch_size": EVALUATED | TAKEN_APART,
    "evaluate.confidence": EVALUATED | TAKEN_APART | {"report"},
    "evaluate.resamples": EVALUATED | TAKEN_APART | {"report"},
    "benchmark": set(),  # no dataset is chosen, so there is no such stage
    "benchmark.limit": {"prepare"},
    "spectral": ANALYSED,
    "interventions": TAKEN_APART | {"report"},
    "report": {"report"},
}


def leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every key of a params file, dotted."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def another(value: Any) -> Any:
    """A value that differs. DVC compares; nothing reads it as a setting."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case _:
            return [*value, value[-1]] if value else [1]


def stage(address: str) -> str:
    """The name in an address such as ``folder/dvc.yaml:opd@0``, as DVC writes it from another folder."""
    return address.rpartition(":")[2]


def readers(key: str) -> set[str]:
    """The row of `READERS` with the longest prefix of `key`."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        if (prefix := ".".join(parts[:length])) in READERS:
            return READERS[prefix]
    raise AssertionError(f"{key} is missing in READERS: say which stages it is for")


def test_each_key_reruns_exactly_the_stages_that_read_it(project: Project) -> None:
    original = yaml.safe_load(project.read("params.yaml"))
    # these add and remove stages: see below
    matrices = {"run.replicates", "opd.sweep", "benchmark.datasets", "benchmark.runs", "interventions.methods"}
    wrong = {}
    for key, value in leaves(original).items():
        if key in matrices:
            continue
        flipped = yaml.safe_load(project.read("params.yaml"))
        section = flipped
        for part in key.split(".")[:-1]:
            section = section[part]
        section[key.split(".")[-1]] = another(value)
        project.write("params.yaml", yaml.safe_dump(flipped))
        with Repo(project.root.as_posix()) as repo:
            changed = {stage(name).partition("@")[0] for name in repo.status()}
        if changed != (expected := readers(key) | {"check"}):
            wrong[key] = (changed, expected)
        project.write("params.yaml", yaml.safe_dump(original))
    assert wrong == {}


LEFT = (".{}.swp", "{}~", ".#{}", "#{}#", ".DS_Store", "._{}", "Thumbs.db", ".ipynb_checkpoints/{}")
"""What editors and file managers leave beside a file of this name."""


def test_what_editors_leave_beside_the_files_reruns_nothing(project: Project) -> None:
    stages = yaml.safe_load(project.read("dvc.yaml"))["stages"].values()
    folders = {dep for stage in stages for dep in stage.get("deps", []) if (project.root / dep).is_dir()}
    assert {"effopd/params", "data/sources"} <= folders
    for folder in folders:
        for name in LEFT:
            project.write(f"{folder}/{name.format('rows.py')}", "left by an editor\n")
    with Repo(project.root.as_posix()) as repo:
        assert repo.status() == {}


@pytest.mark.parametrize(
    ("section", "key", "values", "added"),
    [
        ("run", "replicates", [0, 1], {"opd@1", "effopd@1", "evaluate@opd-1", "evaluate@effopd-1"}),
        ("opd", "sweep", [0.001, 0.002], {"sweep@0.002", "evaluate-sweep@0.002", "spectral-sweep@0.002"}),
    ],
)
def test_a_longer_list_adds_stages_and_leaves_the_others_alone(
    project: Project, section: str, key: str, values: list[float], added: set[str]
) -> None:
    project.set_param(section, key, values)
    with Repo(project.root.as_posix()) as repo:
        changed = {stage(name) for name in repo.status()}
    assert added <= changed
    assert not [name for name in changed - added if name.partition("@")[0] in {"base", "rl", "opd", "effopd", "sweep"}]


def test_a_fresh_clone_needs_no_data_to_find_everything_up_to_date(project: Project, tmp_path: Path) -> None:
    assert project.git("status", "--porcelain", "--untracked-files=all") == "", "DVC wrote nothing that git would track"
    project.dvc("remote", "add", "--default", "shared", str(tmp_path / "remote"))
    project.commit("a remote")
    project.dvc("push")
    clone = Project(tmp_path / "clone")
    project.git("clone", "-q", ".", str(clone.root))
    assert ran(clone.dvc("repro", "--pull", "--allow-missing")) == set()
    assert clone.git("status", "--porcelain") == "" and not (clone.root / "models").exists()
    clone.dvc("pull")
    clone.set_param("report", "title", "another")
    assert ran(clone.dvc("repro")) == {"check", "report"}


def ran(said: str) -> set[str]:
    """The stages that a `dvc repro` says it ran."""
    return {line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage '")}


def test_an_option_of_effopd_trains_effopd_alone(project: Project) -> None:
    project.set_param("effopd", "accept", ">")
    stages = {name.partition("@")[0] for name in ran(project.dvc("repro"))}
    assert "effopd" in stages and "report" in stages
    assert stages.isdisjoint({"prepare", "base", "rl", "opd", "sweep", "evaluate-rl", "evaluate-sweep", "spectral-rl"})


def test_an_option_of_the_evaluation_trains_nothing(project: Project) -> None:
    project.set_param("evaluate", "samples", 3)
    stages = {name.partition("@")[0] for name in ran(project.dvc("repro"))}
    assert stages >= EVALUATED | {"report"}
    assert stages.isdisjoint({"prepare", "base", "spectral", "spectral-rl"} | TRAINED)


@pytest.mark.parametrize(
    ("section", "key", "value", "named"),
    [
        ("data", "tset", 16, "data.tset"),
        ("data", "test", "many", "data.test"),
        ("data", "test", -1, "data.test"),
        ("rl", "learning_rate", float("nan"), "rl.learning_rate"),
        ("opd", "loss", "reverse-kl", "opd.loss"),
        ("effopd", "multipliers", [], "effopd.multipliers"),
        ("opd", "steps", True, "opd.steps"),
    ],
)
def test_a_wrong_value_is_named_before_any_work(
    project: Project, section: str, key: str, value: object, named: str
) -> None:
    before = project.outputs()
    project.set_param(section, key, value)
    said = project.dvc("repro", "--single-item", "--force", "prepare", check=False)
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and named in errors[0] and "Traceback" not in said
    project.dvc("checkout")
    assert project.outputs() == before
