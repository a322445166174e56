"""Benchmarks in turns: what both sides must agree on, and what is said where one of them cannot work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from toy_workspace import toy_workspace

from benchmarks.bench import __main__ as bench
from stages import ROOT


class NoBar:
    def update(self) -> None:
        pass

    def set_postfix_str(self, text: str) -> None:
        pass


def side(**about: Any) -> dict[str, Any]:
    return {"name": "a side", "cpu_seconds": [1.0], "wall_seconds": [1.0], "peak_mib": 1.0} | about


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"result": "a"}, {"result": "b"}),
        ({"figures": {"spectral_norm": 1.0}}, {"figures": {"spectral_norm": 1.001}}),
    ],
)
def test_sides_that_found_different_things_are_no_row(one: dict[str, Any], other: dict[str, Any]) -> None:
    sides = [side(name="ours", **one), side(name="theirs", **other)]
    with pytest.raises(bench.BenchError, match="rollouts: "):
        bench.check_same(bench.ROWS[2], sides)
    bench.check_same(bench.ROWS[2], [sides[0], sides[0] | {"name": "theirs"}])


def test_a_side_that_dies_is_named_with_the_last_it_said(tmp_path: Path) -> None:
    row = bench.Row("rollouts", "", (bench.Side("ours", "ours", Path(sys.executable)),), turns=1)
    with pytest.raises(bench.BenchError, match=r"^rollouts, ours: ended with 1; .*params\.yaml: no such file"):
        bench.compared(row, tmp_path, 1, True, NoBar())


def test_what_is_missing_is_said_before_anything_starts(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench", "--rows", "rollouts", "--root", str(tmp_path)],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr == f"error: {tmp_path}/params.yaml: no such file; `make repro` makes it\n"


def test_the_table_compares_turn_by_turn() -> None:
    ours = side(cpu_seconds=[1.0, 2.0, 4.0], wall_seconds=[3.0, 3.0, 3.0], floor=0.5)
    theirs = side(cpu_seconds=[2.0, 6.0, 4.0], wall_seconds=[6.0, 6.0, 6.0])
    *_, mine, other = bench.table([{"title": "A step", "sides": [ours, theirs]}])
    assert mine == "| A step | a side | 2 (1–4) | 3 | 1 | 4.00 |  |"
    assert other == "|  | a side | 4 (2–6) | 6 | 1 | 8.00 | 2.00× (1.00–3.00) |"


@pytest.mark.slow
def test_rows_of_this_environment_run_at_toy_size(tmp_path: Path) -> None:
    root, out = toy_workspace(tmp_path / "root"), tmp_path / "bench.json"
    command = [sys.executable, "-m", "benchmarks.bench", "--quick", "--root", str(root), "--out", str(out)]
    subprocess.run([*command, "--rows", "rollouts", "pipeline"], cwd=ROOT, check=True, timeout=400)
    rollouts, pipeline = json.loads(out.read_text())["rows"]
    assert rollouts["sides"][0]["result"] == rollouts["sides"][1]["result"]
    assert [one["name"] for one in pipeline["sides"]] == ["dvc repro", "dvc status", "the flow"]
    for one in (*rollouts["sides"], *pipeline["sides"]):
        assert len(one["cpu_seconds"]) == 1
        assert one["cpu_seconds"][0] > 0
        assert one["peak_mib"] > 10
