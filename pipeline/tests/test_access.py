"""Where the access to a workspace's server is written, and who finds it there."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.server import Access, announce, announced


def test_a_shell_and_the_commands_read_the_access_alike_whatever_the_folder_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "a home; with 'words' and $(signs)"))
    root = tmp_path / "project"
    with announce(root, Access(4200, "the-secret")):
        found = announced(root)
        script = f"set -a; . {root}/.dvc/tmp/prefect/server.env; printenv PREFECT_API_URL PREFECT_HOME"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [found["PREFECT_API_URL"], found["PREFECT_HOME"]]
    assert found["PREFECT_HOME"] == os.environ["PREFECT_HOME"]
    assert announced(root) == {}, "nobody serves it any more"
