"""The small project, trained with torch once, and copies of it for other engines."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from small_project import ROOT, SMALL, Project


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Data, base and teacher, and opd and effopd as the torch engine trains them."""
    root = tmp_path_factory.mktemp("torch")
    for folder in ("effopd", "stages"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", root)
    (root / "data/sources").mkdir(parents=True)
    project = Project(root)
    for section, values in SMALL.items():
        project.set(section, **values)
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    params["data"]["demonstrations"].update(examples=512, min_operations=1, max_operations=1, guess_accuracy=0.5)
    yaml.dump(params, root / "params.yaml")
    for stage in ("prepare", "base", "rl"):
        project.run(stage)
    project.run("opd", "--replicate", "0")
    project.run("effopd", "--replicate", "0")
    return project


@pytest.fixture
def another(trained: Project, tmp_path: Path) -> Callable[[], Project]:
    """Makes a copy of the project with its data, base and teacher alone."""

    def copy() -> Project:
        ignored = shutil.ignore_patterns("opd-0", "effopd-0", "logs", ".scratch", "__pycache__")
        root = tmp_path / f"project-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(trained.root, root, ignore=ignored)
        return Project(root)

    return copy
