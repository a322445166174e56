"""The same pipeline on published problems, with a tokenizer learned from them; and a benchmark that is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from dvc_project import Project, wait_until
from real_rows import ROWS, needs_real_rows
from ruamel.yaml import YAML
from transformers import AutoModelForCausalLM, AutoTokenizer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs_real_rows]

DEEPMATH = {
    "data": {"source": "deepmath", "train": 64, "validation": 4, "dev": 4, "test": 8},
    "model": {"vocabulary": 512, "context": 512},
    "base": {"steps": 4, "batch_size": 8},
    "rollout": {"max_new_tokens": 24},
    "rl": {"steps": 2, "prompts_per_step": 2, "group_size": 4},
    "opd": {"steps": 4, "prompts_per_step": 4},
    "effopd": {"steps": 4, "samples": 1},
    "benchmark": {
        "datasets": ["aime24"], "runs": ["opd-0"], "samples": 3, "limit": 8, "max_new_tokens": 32, "batch_size": 4
    },
}  # fmt: skip
BENCHMARK = "benchmark@opd-0-aime24"


@pytest.fixture(scope="module")
def deepmath(sources: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that has trained opd and effopd for four steps on prompts of DeepMath."""
    project = Project(shutil.copytree(sources.root, tmp_path_factory.mktemp("deepmath") / "project"))
    shutil.copy2(ROWS / "deepmath_train.parquet", project.root / "data/sources/deepmath.parquet")
    shutil.copy2(ROWS / "aime24.jsonl", project.root / "data/sources/aime24.jsonl")
    params = YAML()
    values = params.load(project.root / "params.yaml")
    for section, keys in DEEPMATH.items():
        values[section].update(keys)
    params.dump(values, project.root / "params.yaml")
    project.dvc("repro", "-q", "opd@0", "effopd@0")
    return project


def test_opd_and_effopd_train_on_real_prompts_with_a_tokenizer_learned_from_them(deepmath: Project) -> None:
    about = json.loads(deepmath.read("data/about.json"))
    assert (about["title"], about["rejected"], about["splits"]["train"]) == ("DeepMath-103K", [], 64)
    assert "\\boxed{}" in about["first_prompt"]
    for run in ("opd-0", "effopd-0"):
        folder = deepmath.root / "models" / run / "step-000004"
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder)
        tokens = tokenizer(about["first_prompt"])["input_ids"]
        assert tokenizer.decode(tokens) == about["first_prompt"]
        assert len(tokens) < 0.7 * len(about["first_prompt"])  # pieces of words, not characters
        assert model.config.vocab_size == len(tokenizer)
        rows = [json.loads(line) for line in (folder.parent / "metrics.jsonl").read_text().splitlines()]
        assert [row["step"] for row in rows] == [1, 2, 3, 4]
    triggers = [json.loads(line) for line in deepmath.read("models/effopd-0/triggers.jsonl").splitlines()]
    assert [trigger["step"] for trigger in triggers] == [1, 2, 4]


def test_a_killed_benchmark_goes_on_to_the_same_bytes(deepmath: Project) -> None:
    deepmath.dvc("repro", "-q", "--single-item", BENCHMARK)
    folder = deepmath.root / "reports/benchmarks/opd-0/aime24"
    expected = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert pq.read_table(folder / "records.parquet").num_rows == 24

    shutil.rmtree(folder)
    shutil.rmtree(deepmath.root / ".scratch/benchmark")
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.benchmark", "--run", "opd-0", "--dataset", "aime24"],
        cwd=deepmath.root,
        start_new_session=True,
    )
    wait_until(lambda: process.poll() is not None or made(deepmath) > 0)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = made(deepmath)
    assert 0 < before < 24, "it ended before it could be killed"
    subprocess.run(
        [sys.executable, "-m", "stages.benchmark", "--run", "opd-0", "--dataset", "aime24"],
        cwd=deepmath.root,
        check=True,
    )
    assert made(deepmath) == 24, "it made again what its journal held"
    assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == expected


def made(project: Project) -> int:
    """Completions in the journal of a benchmark that is under way."""
    return sum(file.read_bytes().count(b"\n") for file in Path(project.root / ".scratch/benchmark").rglob("*.jsonl"))
