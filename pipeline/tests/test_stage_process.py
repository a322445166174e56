"""One stage as a process: its outcome from the real DVC, failures told apart, nothing left behind when stopped."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from dvc_project import Project, no_locks, wait_until

from pipeline.dvc_process import DvcProcess
from pipeline.outcome import Outcome
from pipeline.project.rwlock import release_dead_locks
from pipeline.stage import StageResult, run_stage

pytestmark = pytest.mark.slow

STUBBORN = """\
import os, pathlib, signal, subprocess, sys, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path("pids").write_text(f"{os.getpid()} {child.pid}")
time.sleep(600)
"""


def with_command(project: Project, command: str) -> None:
    """Give the stage `notes` another command."""
    project.write("dvc.yaml", project.read("dvc.yaml").replace("python work.py copy words.txt notes.txt", command))


def run_notes(dvc: DvcProcess, project: Project, **options: object) -> tuple[StageResult, list[str]]:
    lines: list[str] = []
    return run_stage(dvc, project.root, "notes", on_line=lines.append, **options), lines  # type: ignore[arg-type]


def test_dvc_still_announces_the_three_outcomes(dvc: DvcProcess, project: Project) -> None:
    assert run_notes(dvc, project)[0].outcome is Outcome.CACHED
    (project.root / "notes.txt").unlink()
    assert run_notes(dvc, project)[0].outcome is Outcome.RESTORED
    assert project.read("notes.txt") == "some words\n"
    project.write("words.txt", "new words\n")
    assert run_notes(dvc, project)[0].outcome is Outcome.RAN
    assert project.read("notes.txt") == "new words\n"
    assert run_notes(dvc, project, force=True)[0].outcome is Outcome.RAN


def test_a_stage_cannot_forge_its_outcome_or_hide_in_a_progress_bar(dvc: DvcProcess, project: Project) -> None:
    with_command(
        project,
        "printf \"Stage 'notes' didn't change, skipping\\\\n 1%%\\\\r 2%%\\\\rdone\\\\n\" > notes.txt; cat notes.txt",
    )
    result, lines = run_notes(dvc, project)
    assert result.outcome is Outcome.RAN
    assert "done" in lines


def test_a_configuration_error_fails_once_and_is_explained(dvc: DvcProcess, project: Project) -> None:
    project.write("words.txt", "poison\n")
    result, _ = run_notes(dvc, project)
    assert result.outcome is Outcome.FAILED
    assert not result.transient
    assert result.message.startswith("words.txt: poison found (failed to reproduce 'notes'")
    assert "exited with 1" in result.message


@pytest.mark.parametrize(
    ("command", "transient"),
    [
        ("kill -9 $$", True),
        ("python -c 'import os; os.kill(os.getpid(), 15)'", True),
        ("sh -c 'exit 137'", True),
        ("python -c 'raise MemoryError'", True),
        ("python -c 'raise SystemExit(2)'", False),
        ("kill -SEGV $$", False),
        ("true", False),  # does not write its output
    ],
)
def test_only_what_a_retry_can_cure_is_transient(
    dvc: DvcProcess, project: Project, command: str, transient: bool
) -> None:
    with_command(project, command)
    result, _ = run_notes(dvc, project)
    assert result.outcome is Outcome.FAILED
    assert result.transient is transient, result.message


def test_a_lock_that_somebody_else_holds_is_named_with_its_holder_and_a_retry_can_cure_it(
    dvc: DvcProcess, project: Project
) -> None:
    project.write("words.txt", "new words\n")
    holder = here()
    (project.root / ".dvc/tmp/rwlock").write_text(
        json.dumps({"write": {str(project.root / "words.txt"): holder}, "read": {}})
    )
    result, _ = run_notes(dvc, project)
    assert result.outcome is Outcome.FAILED and result.transient
    assert f"is busy, it is being blocked by: (PID {os.getpid()}): {sys.argv[0]}" in result.message
    assert "\n" not in result.message


def test_a_timeout_ends_the_stage(dvc: DvcProcess, project: Project) -> None:
    with_command(project, "sleep 600")
    result, _ = run_notes(dvc, project, timeout=2.0)
    assert result.outcome is Outcome.FAILED
    assert result.message == "timed out after 2 s"
    assert not result.transient
    assert 2.0 <= result.seconds < 12
    assert no_locks(project)


def test_stopping_ends_a_stubborn_process_group_in_15_seconds_and_leaves_no_lock(
    dvc: DvcProcess, project: Project
) -> None:
    project.write("stubborn.py", STUBBORN)
    with_command(project, "python stubborn.py")
    stop = threading.Event()
    results: list[StageResult] = []
    thread = threading.Thread(target=lambda: results.append(run_notes(dvc, project, stop=stop)[0]))
    thread.start()
    pids = project.root / "pids"
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    started = time.monotonic()
    stop.set()
    thread.join(20)
    assert time.monotonic() - started < 15
    assert results[0].outcome is Outcome.FAILED and results[0].message == "stopped"
    assert not any(psutil.pid_exists(int(pid)) for pid in pids.read_text().split())
    assert no_locks(project)
    with_command(project, "true")
    project.git("checkout", "-q", "dvc.yaml")
    assert run_notes(dvc, project)[0].outcome is Outcome.RESTORED  # the interrupted attempt had removed the output


def test_the_stage_ends_when_the_process_that_runs_it_is_killed(project: Project) -> None:
    with_command(project, 'python -c \'import os, time; open("pids", "w").write(str(os.getpid())); time.sleep(600)\'')
    code = """
import pathlib, sys
from pipeline.dvc_process import DvcProcess
from pipeline.stage import run_stage
run_stage(DvcProcess(sys.executable), pathlib.Path(sys.argv[1]), "notes")
"""
    runner = subprocess.Popen(
        [sys.executable, "-c", code, str(project.root)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    pids = project.root / "pids"
    wait_until(lambda: pids.exists() and pids.read_text())
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    wait_until(lambda: not psutil.pid_exists(int(pids.read_text())), seconds=15)
    wait_until(lambda: no_locks(project), seconds=5)


def here(command: str | None = None) -> dict[str, object]:
    """An entry of DVC's table by this process, or by one that had its number before."""
    return {"pid": os.getpid(), "cmd": command or " ".join(sys.argv)}


def test_locks_of_killed_processes_are_released_and_those_of_the_living_are_kept(
    dvc: DvcProcess, project: Project
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    dead, alive = {"pid": gone.pid, "cmd": "dvc repro notes"}, here()
    words, notes, data = (str(project.root / name) for name in ("words.txt", "notes.txt", "data.txt"))
    table = project.root / ".dvc/tmp/rwlock"
    table.write_text(json.dumps({"write": {notes: dead, data: alive}, "read": {words: [dead, alive]}}))
    release_dead_locks(project.root)
    assert json.loads(table.read_text()) == {"write": {data: alive}, "read": {words: [alive]}}
    table.write_text(json.dumps({"write": {notes: dead}, "read": {words: [dead]}}))
    release_dead_locks(project.root)
    project.write("words.txt", "other words\n")
    assert run_notes(dvc, project)[0].outcome is Outcome.RAN
    assert no_locks(project)


@pytest.mark.parametrize("how", ["another command", "started since", "a zombie"])
def test_a_lock_whose_process_number_lives_again_as_another_program_does_not_block(project: Project, how: str) -> None:
    table = project.root / ".dvc/tmp/rwlock"
    ended = subprocess.Popen(["true"])
    entry = {"another command": here("dvc repro notes"), "a zombie": {"pid": ended.pid, "cmd": "true"}}.get(how, here())
    table.write_text(json.dumps({"write": {str(project.root / "notes.txt"): entry}, "read": {}}))
    if how == "started since":
        before = psutil.Process().create_time() - 60
        os.utime(table, (before, before))
    wait_until(lambda: how != "a zombie" or psutil.Process(ended.pid).status() == psutil.STATUS_ZOMBIE)
    release_dead_locks(project.root)
    assert json.loads(table.read_text()) == {"write": {}, "read": {}}
    ended.wait()


@pytest.mark.parametrize("left", ["", '{"write": {"', "[]"])
def test_a_table_of_locks_that_was_written_in_part_blocks_nobody(dvc: DvcProcess, project: Project, left: str) -> None:
    (project.root / ".dvc/tmp/rwlock").write_text(left)
    project.write("words.txt", "other words\n")
    release_dead_locks(project.root)
    assert run_notes(dvc, project)[0].outcome is Outcome.RAN


ORPHAN = """\
import os, pathlib, time
pathlib.Path("pids").write_text(f"{os.getppid()} {os.getpid()}")
time.sleep(600)
"""


@pytest.mark.parametrize("killed", ["dvc", "leash"])
def test_a_stage_ends_when_what_holds_it_is_killed(dvc: DvcProcess, project: Project, killed: str) -> None:
    """DVC and the leash are the two processes between a run and the command of its stage."""
    project.write("orphan.py", ORPHAN)
    with_command(project, "exec python orphan.py")
    results: list[StageResult] = []
    thread = threading.Thread(target=lambda: results.append(run_notes(dvc, project)[0]))
    thread.start()
    pids = project.root / "pids"
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    dvc, stage = (psutil.Process(int(pid)) for pid in pids.read_text().split())
    (dvc if killed == "dvc" else dvc.parent()).kill()
    thread.join(30)
    assert results[0].outcome is Outcome.FAILED and results[0].transient
    assert not stage.is_running() and not dvc.is_running()
    assert no_locks(project)
