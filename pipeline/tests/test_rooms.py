"""What needs DVC and what needs Prefect can live in two environments."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMPORTED = """
import sys
import {module}
print(*{{name.partition(".")[0] for name in sys.modules}} & {{"dvc", "prefect"}})
"""


@pytest.mark.parametrize(
    ("module", "libraries"),
    [
        ("pipeline.project.answers", {"dvc"}),
        ("pipeline.flow", {"prefect"}),
        ("pipeline.deployments", {"prefect"}),
        ("pipeline.cli, pipeline.copies, pipeline.dvc_process, pipeline.ui, pipeline.workspace", set()),
    ],
)
def test_a_room_imports_its_own_library_alone(module: str, libraries: set[str]) -> None:
    command = [sys.executable, "-c", IMPORTED.format(module=module)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == libraries
