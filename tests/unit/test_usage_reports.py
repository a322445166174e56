"""Programs that report their use to their makers do not, unless the user switches that on."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_commands_that_a_user_types_directly_report_nothing_either() -> None:
    """`dvc` reads this repository's configuration, and `prefect` the variables that the docs export for a worker."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("DVC_NO_ANALYTICS", "DO_NOT_TRACK")
    }
    code = "from dvc.analytics import is_enabled; print(is_enabled())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
    before, worker, _ = (ROOT / "docs/prefect.md").read_text().partition("    prefect worker start")
    assert worker and "    export DO_NOT_TRACK=1" in before.rpartition("\n\n")[2]
