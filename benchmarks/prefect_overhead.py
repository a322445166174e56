"""What Prefect adds to DVC and what it saves: `python benchmarks/prefect_overhead.py`, on a machine that does nothing
else.

A small DVC project is made in a temporary folder and a Prefect server started beside it. Timed in turns: `dvc repro`
and `python -m pipeline run` where all 25 stage instances are cached; then two siblings that compute, one after the
other and at the same time, with the same work outside any pipeline as the measure of what the machine can do.

With the folder of a DVC project in which everything is up to date, `… prefect_overhead.py FOLDER`, the first comparison
is made there and the second is left out.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.server import grant, listen, log_file, prefect_environment, serving, wait_for

Call = Callable[..., str]
ROUNDS = 7
SIBLING_ROUNDS = 3
DVC_YAML = """\
stages:
  prepare:
    cmd: cp raw.txt data.txt
    deps: [raw.txt]
    outs: [data.txt]
  train:
    matrix: {seed: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}
    cmd: mkdir -p models && cp data.txt models/${item.seed}
    deps: [data.txt]
    params: [rate]
    outs: ["models/${item.seed}"]
  score:
    matrix: {seed: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}
    cmd: mkdir -p scores && cp models/${item.seed} scores/${item.seed}
    deps: ["models/${item.seed}"]
    outs: ["scores/${item.seed}"]
"""
SIBLINGS = """\
stages:
  work:
    matrix: {seed: [0, 1]}
    cmd: python work.py > work-${item.seed}
    outs: ["work-${item.seed}"]
"""
WORK_PY = 'import hashlib\nprint(hashlib.pbkdf2_hmac("sha256", b"some", b"work", 40_000_000).hex())\n'  # one core


def main() -> None:
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        own = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
        root, home = own or Path(folder) / "project", Path(folder) / "home"
        os.environ["PREFECT_HOME"] = str(home)
        listener = listen()
        access = grant(listener)
        environment = {
            **prefect_environment(root),
            **access.environment,
            "DVC_SITE_CACHE_DIR": str(home / "dvc"),
            "PYTHONPATH": str(own or Path(__file__).parents[1]),
        }
        call = caller(root, environment)
        if not own:
            make_project(root, call)
        with serving(Path(folder), listener, access) as server:
            wait_for(server, access, log_file(Path(folder)))
            compare(call)
            if not own:
                side_by_side(root, call)
    print(f"load after: {os.getloadavg()[0]:.1f}")


def caller(root: Path, environment: Mapping[str, str]) -> Call:
    """What runs a module of Python in the project, and gives what it printed."""

    def call(*module: str) -> str:
        command = [sys.executable, "-m", *module]
        return subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True, text=True).stdout

    return call


def compare(call: Call) -> None:
    """Everything cached: the whole commands, as a user starts them."""
    call("dvc", "repro")
    call("pipeline", "run")
    commands = {"dvc repro": ("dvc", "repro"), "pipeline run": ("pipeline", "run")}
    wall: dict[str, list[float]] = {name: [] for name in commands}
    busy: dict[str, list[float]] = {name: [] for name in commands}
    said = ""
    for _ in range(ROUNDS):
        for name, command in commands.items():
            before = processor_seconds()
            began = time.perf_counter()
            said = call(*command)
            wall[name].append(time.perf_counter() - began)
            busy[name].append(processor_seconds() - before)
    print(f"everything cached, medians of {ROUNDS}; the last run said: {said.splitlines()[-1]}")
    for kind, times in (("wall", wall), ("processor", busy)):
        repro, run = (statistics.median(taken) for taken in times.values())
        print(f"  {kind:<13} dvc repro {repro:.2f} s, pipeline run {run:.2f} s, ratio {run / repro:.2f}")
        for name, taken in times.items():
            print(f"    {name:<13} {' '.join(f'{one:.2f}' for one in taken)}")


def side_by_side(root: Path, call: Call) -> None:
    """Two siblings that compute on one core each: by themselves and as stages, in turn and at the same time."""
    (root / "work").mkdir()
    (root / "work" / "work.py").write_text(WORK_PY)
    (root / "work" / "dvc.yaml").write_text(SIBLINGS)

    def plain(at_once: int) -> None:
        for _ in range(0, 2, at_once):
            running = [
                subprocess.Popen([sys.executable, "-c", WORK_PY], stdout=subprocess.DEVNULL) for _ in range(at_once)
            ]
            for process in running:
                process.wait()

    def staged(at_once: int) -> None:
        call("pipeline", "run", "work/dvc.yaml", "--force", "--max-parallel", str(at_once))

    kinds = {"plain": plain, "as stages": staged}
    times: dict[tuple[str, int], list[float]] = {(name, at_once): [] for name in kinds for at_once in (1, 2)}
    for _ in range(SIBLING_ROUNDS):
        for name, at_once in times:  # in turns, so that a machine that slows down slows all of them
            began = time.perf_counter()
            kinds[name](at_once)
            times[name, at_once].append(time.perf_counter() - began)
    print(f"two siblings, in turn and at the same time, medians of {SIBLING_ROUNDS}:")
    for name in kinds:
        serial, parallel = (statistics.median(times[name, at_once]) for at_once in (1, 2))
        print(f"  {name:<13} {serial:.1f} s and {parallel:.1f} s, ratio {parallel / serial:.2f}")
        for at_once in (1, 2):
            print(f"    {at_once} at once     {' '.join(f'{one:.1f}' for one in times[name, at_once])}")


def make_project(root: Path, call: Call) -> None:
    root.mkdir()
    (root / "raw.txt").write_text("some data\n")
    (root / "params.yaml").write_text("rate: 1.0\n")
    (root / "dvc.yaml").write_text(DVC_YAML)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    call("dvc", "init", "-q")


def processor_seconds() -> float:
    """What the commands so far have computed; unlike the wall clock it hardly depends on what else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
