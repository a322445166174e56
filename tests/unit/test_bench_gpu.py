"""The benchmark for GPUs on the CPU at toy size, without the packages that stages and pipeline need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from stages import ROOT

ABSENT = ("tensorboard", "dvc", "prefect", "vllm", "deepspeed")
SCRIPT = ROOT / "benchmarks/gpu.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"import runpy, sys; sys.modules.update(dict.fromkeys({ABSENT!r})); "
    code += f"sys.argv[1:] = {arguments!r}; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, cwd=ROOT)


def test_its_whole_path_runs_at_toy_size(tmp_path: Path) -> None:
    out = tmp_path / "bench-gpu.json"
    ended = run("--toy", "--device", "cpu", "--out", str(out))
    assert ended.returncode == 0, ended.stderr
    found = json.loads(out.read_text())
    assert found["card"] == "cpu"
    names = {"OPD step", "GRPO step", "teacher_kl of a candidate", "EffOPD trigger", "sampling"}
    assert found["steps"].keys() == names
    assert all(row["tokens_a_second"] > 0 and row["share_of_products"] > 0 for row in found["steps"].values())
    assert all(used == {"fits": True, "peak_gib": None} for used in found["memory"].values())
    assert found["spectra"]["largest_difference"] == 0.0, "both are the CPU here"


def test_without_a_gpu_it_says_so_in_one_line() -> None:
    ended = run("--device", "cuda")
    assert ended.returncode == 2
    assert "torch finds no GPU here; `--toy --device cpu` shows" in ended.stderr.splitlines()[-1]
