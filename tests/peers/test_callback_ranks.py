"""The callback on two processes, each with half of a step's prompts and, under ZeRO, of the weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from toy import HERE, PATHS

from effopd.files import read_json

TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def run(folder: Path, *arguments: str, ranks: int) -> list[list[dict[str, Any]]]:
    """What each rank has decided."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, *(TWO if ranks == 2 else ()), str(HERE / "ranks.py"), str(folder), *arguments],
        env=os.environ | {"PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(file.read_text()) for file in sorted(folder.glob("triggers-*.json"))]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], list[dict[str, float]]]:
    """What one process decides, and what it foresees."""
    folder = tmp_path_factory.mktemp("alone")
    (decided,) = run(folder, "0", ranks=1)
    return decided, read_json(folder / "foreseen.json")


def choices(decided: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["step"], row["accepted"], len(row["candidates"]), row["learning_rate"]) for row in decided]


def scores(decided: list[dict[str, Any]]) -> list[float]:
    return [one["score"] for row in decided for one in (row, *row["candidates"])]


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_two_ranks_decide_as_one_process_does_and_go_on_from_their_checkpoint(
    alone: tuple[list[dict[str, Any]], list[dict[str, float]]], tmp_path: Path, stage: int
) -> None:
    """Scores and norms: to what float32 leaves of small differences."""
    expected, foreseen = alone
    first, second = run(tmp_path, str(stage), ranks=2)
    assert first == second
    assert choices(first) == choices(expected) and len({row["accepted"] for row in expected}) > 2
    assert scores(first) == pytest.approx(scores(expected), rel=1e-2)
    seen = read_json(tmp_path / "foreseen.json")
    for row, other in zip(seen, foreseen, strict=True):
        assert row.keys() == other.keys() and "norm/q_proj" in row
        assert row == pytest.approx(row | {n: v for n, v in other.items() if n.startswith("norm")}, rel=1e-2)
    assert run(tmp_path, str(stage), "3", ranks=2) == [first, first]
    assert read_json(tmp_path / "foreseen.json") == seen
