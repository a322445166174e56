"""Small real DVC projects, up to date or cold, for every test of the bridge."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc_example import make_example
from dvc_project import Project, clean_environment  # noqa: F401  (a fixture for every test)
from served import Server, deploy, served

from pipeline import server as prefect_server
from pipeline.dvc_process import DvcProcess
from pipeline.server import Access, grant, listen, log_file, wait_for


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: drives the real DVC, Prefect or a browser")


@pytest.fixture(scope="session")
def dvc() -> Iterator[DvcProcess]:
    with DvcProcess(sys.executable) as process:
        yield process


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The example project after one `dvc repro` and one commit. Never used directly: `project` is a copy of it."""
    return make_example(tmp_path_factory.mktemp("finished") / "project")


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A project in which everything is up to date."""
    return Project(shutil.copytree(finished.root, tmp_path / "project"))


@pytest.fixture
def cold(project: Project) -> Project:
    """The same project on a machine that has run nothing yet."""
    for name in ("models", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(project.root / name)
    for name in ("data.txt", "notes.txt", "report.html", "score-0.json", "score-1.json", "dvc.lock"):
        (project.root / name).unlink()
    return project


@pytest.fixture(scope="session")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """A server such as `make flow` starts, with an empty database, shared by all tests."""
    root = tmp_path_factory.mktemp("temporary")
    listener = listen()
    access = grant(listener)
    with contextlib.ExitStack() as until_end:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PREFECT_HOME", str(root / "home"))
            process = until_end.enter_context(prefect_server.serving(root, listener, access, temporary=True))
        wait_for(process, access, log_file(root, temporary=True))
        yield access


@pytest.fixture(scope="module")
def server(temporary: Access) -> Iterator[None]:
    """Flows of this process, and of the commands that it starts, run on a real server."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    found = temporary.environment
    updates = {PREFECT_API_URL: found["PREFECT_API_URL"], PREFECT_API_AUTH_STRING: found["PREFECT_API_AUTH_STRING"]}
    with pytest.MonkeyPatch.context() as patch, temporary_settings(updates):
        for name, value in found.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def all_served(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Server]]:
    """A finished project behind `pipeline ui`, shared by all tests that need a deployment."""
    project = deploy(finished, tmp_path_factory.mktemp("served") / "project")
    with served(project, tmp_path_factory.mktemp("home")) as server:
        yield project, server


@pytest.fixture
def deployed(all_served: tuple[Project, Server]) -> Iterator[Project]:
    """The served project, every test with its own workspace state undone."""
    project, _ = all_served
    yield project
    (project.root / "hold").unlink(missing_ok=True)
    shutil.rmtree(project.root / ".scratch", ignore_errors=True)  # what a cancelled run would go on from
    project.git("checkout", "-q", ".")
    project.dvc("checkout", "-q", "--force")


@pytest.fixture
def serving(all_served: tuple[Project, Server]) -> Server:
    return all_served[1]
