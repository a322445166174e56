"""The project's own pipeline, whole, at sizes that finish in minutes."""

import shutil
from pathlib import Path

import pytest
from dvc_project import Project
from small_world import make_small


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project as it stands in the working tree, with small sizes and nothing run."""
    return make_small(tmp_path_factory.mktemp("sources") / "project")


@pytest.fixture(scope="session")
def reproduced(sources: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The pipeline after one `dvc repro` and one commit. Never changed: `project` is a copy of it."""
    project = Project(shutil.copytree(sources.root, tmp_path_factory.mktemp("reproduced") / "project"))
    project.dvc("repro", "-q")
    project.commit("results")
    return project


@pytest.fixture
def project(reproduced: Project, tmp_path: Path) -> Project:
    """A project in which everything is up to date, with the scratch and logs of the runs that made it."""
    return Project(shutil.copytree(reproduced.root, tmp_path / "project", symlinks=True))
