"""The scripts of docs/callback.md and of the callback's docstring, on small stand-ins, offline."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import hub_cache
import pytest
import tiny
from toy import PATHS, PROMPTS

from effopd.callback import EffOPDCallback
from effopd.files import write_jsonl
from effopd.models.store import load_model, save_model

ROOT = Path(__file__).parents[2]


def indented(text: str) -> str:
    """The first block of code: indented lines, with the empty ones between them."""
    lines = text.expandtabs().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("    "))
    rest = (n for n, line in enumerate(lines[first:], first) if line and not line.startswith("    "))
    return textwrap.dedent("\n".join(lines[first : next(rest, len(lines))]))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    for name, revision, model in (
        ("Qwen/Qwen2.5-Math-1.5B", "main", tiny.guesser()),
        ("relex-rlvr/RLVR-Qwen2.5-Math-1.5B", "step_500", tiny.guesser(9, 1)),
    ):
        save_model(root / revision, model, tiny.tokenizer())
        hub_cache.put(root / "cache", name, revision, root / revision)
    return root


def run(script: str, folder: Path, hub: Path) -> str:
    (folder / "distil.py").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "distil.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": PATHS, "HF_HUB_CACHE": str(hub / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_script_of_the_page_runs(hub: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs/callback.md").read_text(encoding="utf-8")
    write_jsonl(tmp_path / "prompts.jsonl", [{"prompt": prompt} for prompt in PROMPTS])
    said = run(indented(page.split("## A whole script")[1]), tmp_path, hub)
    steps = [line.split()[0] for line in said.splitlines() if line[:1].isdigit()]
    assert steps == [str(step) for step in range(1, 21)]
    assert (tmp_path / "distilled/checkpoint-10/effopd/rank-0.json").is_file()
    load_model(tmp_path / "distilled")


def test_the_script_of_the_docstring_runs(hub: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "student", tiny.guesser(), tiny.tokenizer())
    save_model(tmp_path / "teacher", tiny.guesser(9, 1), tiny.tokenizer())
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS), encoding="utf-8")
    run(indented(textwrap.dedent("    " + (EffOPDCallback.__doc__ or ""))), tmp_path, hub)
    load_model(tmp_path / "distilled")
