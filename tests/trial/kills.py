"""SIGKILL to each kind of process, at moments drawn from its whole life.

Asked each time: is anybody of whom it had started left after 15 seconds, does the next run end in the bytes of one that
nobody disturbed, and does it leave anything half made or locked?
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
from dvc_example import make_example
from dvc_project import Project, no_locks, wait_until
from found import Found
from marked import KINDS, MARK, Family, started, temporaries
from served import Server, deploy, served
from small_world import make_small

from pipeline.server import grant, listen, log_file, serving, wait_for

KINDS["training"] = {"stages.base"}
KILLS = 20
ORPHANS = 15.0  # seconds after which nobody may be left
SEED = 20_261_128
STEPS = 10  # of the example's training, a tenth of a second each
IN_ONE_RUN = {"flow": 1, "stage": 2, "training": 2, "dvc": 2, "server": 4}  # as often as it goes on by itself


def kill_in_runs(kind: str, folder: Path, kills: int) -> Found:
    """Of a run of the command line: the flow itself, its server, DVC, a stage of the example, or one that trains."""
    begin, target = (_trained, "base") if kind in ("dvc", "training") else (_example, "train@0")
    ready, home, draw = begin(folder / "ready"), folder / "home", random.Random(SEED)
    fell: list[str] = []
    slowest = 0.0
    with contextlib.nullcontext() if kind == "server" else _one_server_for_all(folder):
        undisturbed, life = _undisturbed(kind, home, _copy(ready, folder / "undisturbed"), target)
        done = 0
        while done < kills:
            shutil.rmtree(folder / "project", ignore_errors=True)
            project = _copy(ready, folder / "project")
            process, family = started(project, home, "run", target)
            hits, seconds = 0, 0.0
            while hits < min(IN_ONE_RUN[kind], kills - done) and (victim := _one(kind, family, process)):
                time.sleep(draw.uniform(0, life))
                if hit := _kill(victim):  # else it was over before
                    seconds = max(seconds, _until_gone(*([family] if kind == "flow" else hit)))
                    hits += 1
            said, _ = process.communicate(timeout=600)
            if process.returncode != 0:
                process, family = started(project, home, "run", target)
                said, _ = process.communicate(timeout=600)
            slowest = max(slowest, seconds)
            fell += _wrongs(project, undisturbed, done, seconds, said if process.returncode else "")
            done += hits
    what = {"training": "a stage that trains", "stage": "a stage", "dvc": "DVC"}.get(kind, f"the {kind}")
    return Found(f"SIGKILL of {what}", kills, tuple(fell), f"nobody left after {slowest:.1f} s at most")


@contextlib.contextmanager
def _one_server_for_all(folder: Path) -> Iterator[None]:
    """Runs find it by their environment, and start none of their own."""
    listener = listen()
    access = grant(listener)
    with serving(folder, listener, access) as server:
        wait_for(server, access, log_file(folder))
        os.environ.update(access.environment)
        try:
            yield
        finally:
            for name in access.environment:
                del os.environ[name]


def kill_workers(folder: Path, kills: int) -> Found:
    """Of `make ui`, again and again while it executes a run; at last one is left to end."""
    example, home = _example(folder / "example"), folder / "home"
    project, other = deploy(example, folder / "project"), _copy(example, folder / "undisturbed")
    other.dvc("repro", "-q")
    undisturbed, draw = other.outputs(), random.Random(SEED)
    fell: list[str] = []
    slowest, run = 0.0, ""
    home.mkdir()
    for number in range(kills):
        project.set_param("train", "steps", 40 * (number + 1))  # there is always something to do
        family = Family()
        os.environ[MARK] = family.mark
        with served(project, home) as server:
            fell += _ghost(server, run, number)
            run = server.start()
            wait_until(lambda family=family: family.found("stage"))
            time.sleep(draw.uniform(0, 2.0))
            family.found("worker")[0].kill()
            slowest = max(slowest, seconds := _until_gone(family))
            if seconds > ORPHANS:
                fell.append(f"{number}: somebody is left after {ORPHANS:.0f} s")
    project.set_param("train", "steps", STEPS)
    with served(project, home) as server:
        fell += _ghost(server, run, kills)
        if (ended := server.finished(server.start(), 300))[0] != "Completed":
            fell.append(f"the last run ended {ended}")
    fell += _wrongs(project, undisturbed, kills, 0.0, "")
    return Found("SIGKILL of the worker", kills, tuple(fell), f"nobody left after {slowest:.1f} s at most")


def _ghost(server: Server, run: str, number: int) -> list[str]:
    """Whether the server of the next start still holds the run for one that goes on."""
    state = server.state(run)[0] if run else "Crashed"
    return [] if state in ("Crashed", "Failed", "Completed") else [f"{number}: the run before stayed {state}"]


GRADER = """\
import json
from effopd.tasks.code import CodeTests, verify_all
from effopd.tasks.problems import Problem
problem = Problem("code", "", CodeTests(inputs=["1 2\\n"], outputs=["3\\n"], seconds=0.2).to_json())
programs = ["print(sum(map(int, input().split())))", "print(4)", "import time\\ntime.sleep(1000)", "while True: pass"]
fences = [f"```python\\n{program}\\n```" for program in programs] * 2
print("began", flush=True)
print(json.dumps([verdict.score for verdict in verify_all([problem] * len(fences), fences, workers=2)]))
"""


def kill_graders(folder: Path, kills: int) -> Found:
    """Of a process that grades programs in sandboxes."""
    boxes, mark = folder / "boxes", uuid.uuid4().hex
    boxes.mkdir(parents=True)
    start = partial(
        subprocess.Popen, [sys.executable, "-c", GRADER], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"TMPDIR": str(boxes), MARK: mark},
    )  # fmt: skip
    began = time.monotonic()
    undisturbed = start().communicate(timeout=600)[0]
    life, draw, fell, slowest = time.monotonic() - began, random.Random(SEED), [], 0.0
    for number in range(kills):
        grader = start()
        assert grader.stdout and grader.stdout.readline() == "began\n"
        time.sleep(draw.uniform(0, life / 2))
        children = psutil.Process(grader.pid).children(recursive=True)
        grader.kill()
        grader.wait()
        slowest = max(slowest, seconds := _until_gone(*children))
        if seconds > ORPHANS:
            fell.append(f"{number}: somebody is left after {ORPHANS:.0f} s")
    if (said := start().communicate(timeout=600)[0]) != undisturbed:
        fell.append(f"verdicts {said} instead of {undisturbed}")
    if left := list(boxes.iterdir()):
        fell.append(f"{len(left)} boxes are left after the next start")
    return Found("SIGKILL of the grader", kills, tuple(fell), f"nobody left after {slowest:.1f} s at most")


def _example(root: Path) -> Project:
    project = make_example(root)
    project.set_param("train", "steps", STEPS)
    project.set_param("train", "seconds", 0.1)
    return project


def _trained(root: Path) -> Project:
    """All is ready for the base to be trained."""
    project = make_small(root)
    project.set_param("base", "steps", 60)
    project.dvc("repro", "-q", "prepare")
    return project


def _undisturbed(kind: str, home: Path, project: Project, target: str) -> tuple[dict[str, bytes], float]:
    """What a run makes that nobody disturbs, and for how many seconds its process of this kind lives."""
    process, family = started(project, home, "run", target)
    victim = _one(kind, family, process)
    assert victim is not None
    began = time.monotonic()
    if kind != "flow":  # a child of this process, whose end is waited for below
        psutil.wait_procs([victim])
        life = time.monotonic() - began
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return project.outputs(), life if kind != "flow" else time.monotonic() - began


def _copy(ready: Project, root: Path) -> Project:
    return Project(shutil.copytree(ready.root, root, symlinks=True))


def _one(kind: str, family: Family, process: subprocess.Popen[str]) -> psutil.Process | None:
    """The first process of its kind, as soon as there is one; None where the run ends before."""
    found: list[psutil.Process] = []
    wait_until(lambda: found.extend(family.found(kind)) or found or process.poll() is not None, 300)
    return found[0] if found else None


def _kill(victim: psutil.Process) -> list[psutil.Process]:
    """It and whom it had started; empty where it had ended before."""
    with contextlib.suppress(psutil.NoSuchProcess):
        hit = [victim, *victim.children(recursive=True)]
        if victim.status() != psutil.STATUS_ZOMBIE:
            victim.kill()
            return hit
    return []


def _until_gone(*whom: Family | psutil.Process) -> float:
    """Seconds until none of them lives; more than ORPHANS where some do."""
    began = time.monotonic()
    while any(_lives(one) for one in whom) and time.monotonic() - began <= ORPHANS:
        time.sleep(0.1)
    return time.monotonic() - began


def _lives(one: Family | psutil.Process) -> bool:
    if isinstance(one, Family):
        return not one.gone()
    with contextlib.suppress(psutil.NoSuchProcess):
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    return False


def _wrongs(project: Project, undisturbed: dict[str, bytes], number: int, seconds: float, said: str) -> list[str]:
    found = [f"it said {said.strip().splitlines()[-1]}"] if said.strip() else []
    if seconds > ORPHANS:
        found.append(f"somebody is left after {ORPHANS:.0f} s")
    if project.outputs() != undisturbed:
        found.append("other bytes")
    if left := temporaries(project):
        found.append(f"half made: {', '.join(left)}")
    if not no_locks(project):
        found.append("a lock is held")
    return [f"{number}: {'; '.join(found)}"] if found else []


PARTS: dict[str, Callable[[Path, int], Found]] = {
    **{kind: partial(kill_in_runs, kind) for kind in ("training", "stage", "dvc", "flow", "server")},
    "worker": kill_workers,
    "grader": kill_graders,
}
