"""What all tests share: an environment in which a user's own settings play no part, and how two workers share them."""

from pathlib import Path

import pytest
from dvc_project import clean_environment  # noqa: F401  (a fixture for every test)


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups at its turn
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """By file, or by folder where several files share what is slow to make."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            shares_projects = item.path.parent.name == "repro" and item.get_closest_marker("slow")
            item.add_marker(pytest.mark.xdist_group(str(item.path.parent if shares_projects else item.path)))
