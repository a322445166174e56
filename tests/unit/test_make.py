"""`make test` runs both halves whatever the first comes to, and says what was missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="not installed here: make; apt-get install make")


@needs_make
@pytest.mark.parametrize(("fast", "slow"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_failure_of_a_fast_test_keeps_no_slow_one_from_running(tmp_path: Path, fast: int, slow: int) -> None:
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "tests/installed.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    tools = tmp_path / ".venv/bin"
    tools.mkdir(parents=True)
    (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tools / "pytest").write_text(
        f'#!/bin/sh\nfor last; do :; done\necho "ran $last"\n[ "$last" = slow ] && exit {slow}\nexit {fast}\n'
    )
    for tool in tools.iterdir():
        tool.chmod(0o755)
    (tmp_path / ".venv/.ready").touch()
    bare = {"PATH": os.pathsep.join(str(Path(found).parent) for found in [shutil.which("make")] if found)}
    done = subprocess.run(["make", "test"], cwd=tmp_path, env=bare, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == bool(fast or slow), done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("ran ")] == ["ran not slow", "ran slow"]


def test_what_is_missing_is_named_with_what_installs_it(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, ROOT / "tests/installed.py"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said == (
        "Some tests were skipped for want of bwrap, g++, chromium, chromedriver: "
        "sudo dnf install bubblewrap gcc-c++ chromium chromedriver\n"
    )
    (tmp_path / "apt-get").touch(mode=0o755)
    for program in ("bwrap", "g++"):
        (tmp_path / program).touch(mode=0o755)
    said = subprocess.run(
        [sys.executable, ROOT / "tests/installed.py"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.endswith("for want of chromium, chromedriver: sudo apt-get install chromium chromium-driver\n")
