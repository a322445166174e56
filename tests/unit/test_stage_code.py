"""The code that a stage runs is the text that was there when it began."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROBE = """
import sys
print("began", flush=True)
sys.stdin.readline()  # here a stage would import torch
from effopd import thing
print(thing.VALUE)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one stage, which waits for a line before it imports the library's one module."""
    for name, text in {"stages/probe.py": PROBE, "effopd/__init__.py": "", "effopd/thing.py": "VALUE = 1\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    shutil.copy(ROOT / "stages/__init__.py", tmp_path / "stages")
    return tmp_path


def start(project: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stages.probe"], cwd=project, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(project: Path) -> tuple[str, str]:
    said, complaint = start(project).communicate("\n", timeout=60)
    return said.removeprefix("began\n"), complaint


def test_code_saved_while_a_stage_imports_is_not_run(project: Path) -> None:
    process = start(project)
    assert process.stdout and process.stdout.readline() == "began\n"
    (project / "effopd/thing.py").write_text("VALUE = 2\n")
    said, complaint = process.communicate("\n", timeout=60)
    assert (said, complaint) == ("1\n", "")
    assert run(project) == ("2\n", "")


def test_a_module_made_while_a_stage_imports_is_not_found(project: Path) -> None:
    (project / "effopd/thing.py").rename(project / "effopd/later.py")
    process = start(project)
    assert process.stdout and process.stdout.readline() == "began\n"
    (project / "effopd/later.py").rename(project / "effopd/thing.py")
    _, complaint = process.communicate("\n", timeout=60)
    assert "cannot import name 'thing'" in complaint


@pytest.mark.parametrize("module", ["effopd/thing.py", "stages/probe.py"])
def test_a_compiled_copy_that_looks_as_new_as_the_text_is_not_run(project: Path, module: str) -> None:
    """Python tells compiled copies by the text's length and the second in which it was saved."""
    file = project / module
    file.write_text(file.read_text() + "print('old')\n")
    subprocess.run([sys.executable, "-m", "compileall", "-q", project], check=True)
    saved = file.stat()
    file.write_text(file.read_text().replace("old", "new"))
    os.utime(file, ns=(saved.st_atime_ns, saved.st_mtime_ns))
    said, _ = run(project)
    assert "new" in said and "old" not in said


def test_an_old_compiled_copy_of_the_first_module_itself_stops_one_run(project: Path) -> None:
    file = project / "stages/__init__.py"
    file.write_text(file.read_text() + "print('old')\n")
    subprocess.run([sys.executable, "-m", "compileall", "-q", project], check=True)
    saved = file.stat()
    file.write_text(file.read_text().replace("old", "new"))
    os.utime(file, ns=(saved.st_atime_ns, saved.st_mtime_ns))
    said, complaint = run(project)
    assert said == "" and complaint == (
        "error: stages/__init__.py changed while the stage began; nothing was written, run the stage again\n"
    )
    assert run(project) == ("new\nbegan\n1\n", "")
