"""Every row of `make bench` beside the real peers, at toy size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from toy_workspace import toy_workspace

from benchmarks.bench.__main__ import ROWS
from stages import ROOT


def test_every_row_runs_at_toy_size(tmp_path: Path) -> None:
    root, out = toy_workspace(tmp_path / "root"), tmp_path / "bench.json"
    command = [sys.executable, "-m", "benchmarks.bench", "--quick", "--root", str(root), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=500)
    rows = json.loads(out.read_text())["rows"]
    assert [row["row"] for row in rows] == [row.module for row in ROWS]
    for row in rows:
        assert all(side["cpu_seconds"][0] > 0 for side in row["sides"])
