"""Qwen3, Qwen2.5 and Llama models of two layers, with chat templates and padded vocabularies, through the stages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc_project import Project
from families import PADDING, write_family
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from effopd.files import hash_path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

STAGES = """
import sys
from stages import base, effopd, evaluate, interventions, opd, paths, prepare, report, rl, seconds, spectral, timing
for main, *arguments in (
    [prepare.main], [base.main],
    *([[rl.main], [evaluate.main, "rl"], [seconds.main, "rl"]] if sys.argv[1] == "rl" else []),
    [opd.main, 0], [effopd.main, 0], [evaluate.main, "opd-0"], [evaluate.main, "effopd-0"],
    [spectral.main, "opd-0"], [spectral.main, "effopd-0"], [interventions.main, "opd-0"],
    [seconds.main, "opd-0"], [seconds.main, "effopd-0"], [timing.main], [paths.main], [report.main],
):
    main(*arguments)
"""
SETTINGS = {
    "data": {"source": "sums", "train": 24, "validation": 4, "dev": 2, "test": 4},
    "rollout": {"max_new_tokens": 6},
    "rl": {"steps": 2},
    "opd": {"steps": 2, "prompts_per_step": 4},
    "effopd": {"steps": 2, "multipliers": [2, 4]},
}


def question(a: int, b: int) -> str:
    return f"What is {a} + {b}? Answer with one number."


@pytest.mark.parametrize(("family", "teacher"), [("qwen3", "published"), ("qwen2", "rl"), ("llama", "published")])
def test_a_published_model_goes_through_the_stages(sources: Project, tmp_path: Path, family: str, teacher: str) -> None:
    """Its teacher is its own after reinforcement learning, or another published one that is padded less."""
    project = Project(shutil.copytree(sources.root, tmp_path / "project"))
    pairs = [(a, b) for a in range(6) for b in range(6)]
    rows = [
        {"messages": [{"role": "user", "content": question(a, b)}], "answer": str(a + b), "task": "exact"}
        for a, b in pairs
    ]
    project.write("data/sources/sums.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    published = project.root / "data/models/published"
    write_family(published, family, [question(a, b) for a, b in pairs])
    if teacher == "published":
        folder = project.root / "data/models/teacher"
        write_family(folder, family, [question(a, b) for a, b in pairs], padding=PADDING - 20, seed=1)
        project.set_param("teacher", "source", "data/models/teacher")
        project.set_param("teacher", "revision", hash_path(folder)[:40])
    for section, values in SETTINGS.items():
        for key, value in values.items():
            project.set_param(section, key, value)
    project.set_param("model", "source", "published")
    project.set_param("base", "steps", 3)
    project.set_param("prompt", "style", "chat")
    project.set_param("prompt", "tokenizer", "data/models/published")

    environment = os.environ | {"PYTHONPATH": str(project.root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", STAGES, teacher],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]

    models = project.root / "models"
    was, now = AutoConfig.from_pretrained(published), AutoConfig.from_pretrained(models / "effopd-0/step-000002")
    tokenizer = AutoTokenizer.from_pretrained(models / "effopd-0/step-000002")
    assert (now.architectures, now.vocab_size) == (was.architectures, was.vocab_size - PADDING)
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(published).chat_template
    assert now.vocab_size == len(tokenizer) and tokenizer.pad_token is not None
    AutoModelForCausalLM.from_pretrained(models / "effopd-0/step-000002")
    for run in ("opd-0", "effopd-0"):
        first, last = (load_file(models / run / step / "model.safetensors") for step in ("step-000000", "step-000002"))
        assert not any(first[name].equal(last[name]) for name in first), "every tensor is trained"
        curve = json.loads(project.read(f"reports/evaluation/{run}/curve.json"))
        assert [row["step"] for row in curve] == [0, 1, 2]
        summary = json.loads(project.read(f"reports/spectral/{run}/summary.json"))
        assert summary["steps"]["2"]["matrices"] == 14, "seven of each layer"
    told = json.loads(project.read("reports/summary.json"))
    assert {row["kind"] for row in told["methods"]["opd"]["windows"]} == {"attention", "mlp"}
    page = project.read("reports/index.html")
    left_out = page.split("Looked for, not found, and left out:")[1].split("</li>")[0]
    assert "models/opd-lr-0.001" in left_out
    assert ("reports/interventions/rl.parquet" if teacher == "rl" else "models/rl") in left_out
    assert 'id="windows"' in page and 'id="alpha"' in page and 'id="speedup"' in page
    triggers = [json.loads(line) for line in project.read("models/effopd-0/triggers.jsonl").splitlines()]
    assert [row["step"] for row in triggers] == [1, 2]
