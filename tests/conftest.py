"""What all tests share: an environment in which a user's own settings play no part."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pipeline  # noqa: F401  (switches usage reporting off before anything else imports DVC or Prefect)


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`python` is this interpreter, git knows a name, and DVC's hash database stays inside the test's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        patch.delenv("TQDM_DISABLE", raising=False)  # what unit tests set for themselves; bars tell where a run began
        patch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path_factory.mktemp("site")))
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "tester")
            patch.setenv(f"GIT_{role}_EMAIL", "tester@example.org")
        yield


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups at its turn
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two workers share the tests by file, or by folder where several files share what is slow to make."""
    for item in items:
        shares_projects = item.path.parent.name in ("pipeline", "repro") and item.get_closest_marker("slow")
        item.add_marker(pytest.mark.xdist_group(str(item.path.parent if shares_projects else item.path)))
