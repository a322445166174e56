"""Who imports whom: the three floors, the rooms of the library, and the code dependencies in dvc.yaml."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from pipeline.code_deps import check, import_closure, project_graph, stage_script

ROOT = Path(__file__).parents[2]
PACKAGES = ["effopd", "pipeline", "stages"]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return project_graph(ROOT, PACKAGES)


@pytest.fixture(scope="module")
def with_libraries() -> grimp.ImportGraph:
    """External packages are modules of their own in it."""
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


def imports(graph: grimp.ImportGraph, importer: str, imported: str) -> set[tuple[str, str]]:
    """Pairs of modules below `importer` and below `imported` of which the first imports the second."""

    def below(module: str, package: str) -> bool:
        return module == package or module.startswith(package + ".")

    return {
        (module, other)
        for module in graph.modules
        if below(module, importer)
        for other in graph.find_modules_directly_imported_by(module)
        if below(other, imported)
    }


@pytest.mark.parametrize(("lower", "upper"), [("effopd", "stages"), ("effopd", "pipeline"), ("stages", "pipeline")])
def test_no_floor_imports_the_one_above(graph: grimp.ImportGraph, lower: str, upper: str) -> None:
    assert imports(graph, lower, upper) == set()


def test_the_arrows_that_are_allowed_are_seen(graph: grimp.ImportGraph) -> None:
    """Otherwise the tests beside this one could not fail."""
    assert imports(graph, "stages", "effopd")
    assert ("stages.distilling", "effopd.train.distill") in imports(graph, "stages", "effopd.train")


@pytest.mark.parametrize("library", ["dvc", "prefect", "dvc_data", "dvclive"])
@pytest.mark.parametrize("floor", ["effopd", "stages"])
def test_only_the_pipeline_knows_dvc_and_prefect(with_libraries: grimp.ImportGraph, floor: str, library: str) -> None:
    assert imports(with_libraries, floor, library) == set()


@pytest.mark.parametrize("library", ["torch", "transformers", "safetensors", "numpy", "scipy", "effopd.train"])
def test_the_pipeline_knows_no_machine_learning(with_libraries: grimp.ImportGraph, library: str) -> None:
    assert imports(with_libraries, "pipeline", library) == set()


def test_the_pipeline_orchestrates_with_prefect(with_libraries: grimp.ImportGraph) -> None:
    assert imports(with_libraries, "pipeline", "prefect")


@pytest.mark.parametrize(
    ("room", "others"),
    [
        ("files", ["params", "tasks", "models", "rollout", "losses", "train", "extrapolation", "evaluation", "report"]),
        ("params", ["tasks", "models", "rollout", "losses", "train", "trajectory", "extrapolation", "evaluation"]),
        ("losses", ["files", "params", "tasks", "models", "rollout", "train", "trajectory", "extrapolation"]),
        ("models", ["rollout", "losses", "train", "trajectory", "extrapolation", "evaluation"]),
        ("rollout", ["losses", "train", "trajectory", "extrapolation", "evaluation"]),
        ("trajectory", ["rollout", "losses", "train", "extrapolation", "evaluation"]),
        ("teachers", ["extrapolation", "evaluation", "spectral", "interventions", "report"]),
        ("train", ["teachers", "extrapolation", "evaluation", "spectral", "interventions", "report"]),
        ("spectral", ["train", "rollout", "losses", "extrapolation", "report"]),
        ("interventions", ["train", "rollout", "losses", "extrapolation", "report"]),
        ("records", ["params", "findings", "report"]),
        (
            "findings",
            ["studies", "report", "train", "rollout", "losses", "extrapolation", "models", "spectral", "interventions"],
        ),
        ("studies", ["report", "atlas", "train", "rollout", "losses", "extrapolation", "spectral", "interventions"]),
        ("report", ["studies", "atlas", "train", "rollout", "extrapolation", "models", "spectral", "interventions"]),
    ],
)
def test_rooms_of_the_library_are_stacked(graph: grimp.ImportGraph, room: str, others: list[str]) -> None:
    for other in others:
        assert imports(graph, f"effopd.{room}", f"effopd.{other}") == set()


@pytest.mark.parametrize("library", ["vl_convert", "jinja2", "markupsafe"])
def test_findings_draw_nothing_and_write_no_page(with_libraries: grimp.ImportGraph, library: str) -> None:
    assert imports(with_libraries, "effopd.findings", library) == set()
    assert imports(with_libraries, "effopd.studies", library) == set()
    assert imports(with_libraries, "effopd.report", library)


def test_no_module_imports_itself_in_a_circle(graph: grimp.ImportGraph) -> None:
    for module in graph.modules:
        assert module not in graph.find_upstream_modules(module), module


def test_code_dependencies_in_dvc_yaml_are_the_imports() -> None:
    assert check(ROOT) == []


def test_the_drawing_of_the_house_is_the_house() -> None:
    """Rooms and arrows; lines are those of the last `make house`."""
    command = [sys.executable, "docs/house.py", "--check"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def scripts() -> list[str]:
    from ruamel.yaml import YAML

    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return sorted({script for stage in stages.values() if (script := stage_script(stage))})


def test_no_param_stands_in_a_command_but_where_dvc_quotes_it() -> None:
    """`${item}` becomes options with each value quoted; any other `${…}` in a command reaches the shell as it is."""
    from ruamel.yaml import YAML

    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name, stage in stages.items():
        assert "${" not in stage["cmd"].removesuffix(" ${item}"), name
        assert ("matrix" in stage) == stage["cmd"].endswith(" ${item}"), name


def test_every_stage_of_dvc_yaml_runs_a_script_that_is_known() -> None:
    assert {"stages.prepare", "stages.base", "stages.rl", "stages.opd", "stages.effopd"} <= set(scripts())


def unfolded(closure: list[str]) -> set[str]:
    """Folders stand for all modules below them."""
    files: set[str] = set()
    for entry in closure:
        path = ROOT / entry
        found = path.rglob("*.py") if path.is_dir() else [path]
        files |= {file.relative_to(ROOT).as_posix() for file in found}
    return {file for file in files if not file.endswith("__init__.py")}


IMPORTED = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps([m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)]))
"""


@pytest.mark.parametrize("script", ["stages.prepare", "stages.effopd", "stages.benchmark", "stages.report"])
def test_the_closure_of_a_stage_is_what_python_imports(graph: grimp.ImportGraph, script: str) -> None:
    """All of it when the stage begins, so that a stage notices every edit of the code that DVC records for it."""
    found = subprocess.run(
        [sys.executable, "-c", IMPORTED, script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = {Path(file) for file in json.loads(found.stdout)}
    loaded = {file.relative_to(ROOT).as_posix() for file in files if file.is_relative_to(ROOT)}
    loaded = {file for file in loaded if re.match("(effopd|stages|pipeline)/", file)}
    loaded = {file for file in loaded if not file.endswith("__init__.py")}
    assert loaded == unfolded(import_closure(script, graph, ROOT))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    return tmp_path


def code_deps(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.code_deps", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_a_new_import_and_an_old_dependency_are_found_and_mended(copy: Path) -> None:
    (copy / "effopd" / "novel.py").write_text("VALUE = 1\n")
    seeding = copy / "effopd" / "seeding.py"
    seeding.write_text(seeding.read_text() + "\nfrom effopd.novel import VALUE\n")
    dvc = copy / "dvc.yaml"
    dvc.write_text(
        dvc.read_text().replace("      - stages/timing.py\n", "      - stages/timing.py\n      - effopd/seeding.py\n")
    )
    found = code_deps(copy)
    assert found.returncode == 1 and "run `make deps`" in found.stderr
    lines = found.stdout.splitlines()
    assert "error: timing: missing ['effopd/novel.py'], not imported none" not in lines
    assert "error: timing: missing none, not imported ['effopd/seeding.py']" in lines
    assert "error: prepare: missing ['effopd/novel.py'], not imported none" in lines
    assert not any(line.startswith("error: spectral") for line in lines), "it draws no random numbers"
    assert code_deps(copy, "--write").returncode == 0
    again = code_deps(copy)
    assert (again.returncode, again.stdout) == (0, "")
    assert "      - effopd/novel.py\n" in dvc.read_text()
