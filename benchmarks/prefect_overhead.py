"""What Prefect adds to DVC and what it saves: `python benchmarks/prefect_overhead.py`, on a machine that does nothing
else.

A small DVC project is made in a temporary folder and a Prefect server started beside it. Timed in turns: `dvc repro`
and `python -m pipeline run` where all 25 stage instances are cached; then two siblings that compute, one after the
other and at the same time, with the same work outside any pipeline as the measure of what the machine can do.
"""

from __future__ import annotations

import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.stage import path_first
from pipeline.ui import HOST, held, wait_for_server

ROUNDS = 5
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
WORK_PY = 'import hashlib\nprint(hashlib.pbkdf2_hmac("sha256", b"some", b"work", 12_000_000).hex())\n'  # one core


def main() -> None:
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        root, home = Path(folder) / "project", Path(folder) / "home"
        port = free_port()
        environment = {
            **os.environ,
            **path_first(),
            "DVC_SITE_CACHE_DIR": str(home / "dvc"),
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": f"http://{HOST}:{port}/api",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }

        def call(*module: str) -> None:
            subprocess.run([sys.executable, "-m", *module], cwd=root, env=environment, check=True, capture_output=True)

        make_project(root, call)
        with held(["server", "start", "--host", HOST, "--port", str(port)], Path(folder), environment, home) as server:
            wait_for_server(port, server, home)
            compare(call)
            side_by_side(root, call)


def compare(call: Callable[..., None]) -> None:
    """Everything cached: the whole commands, as a user starts them."""
    call("dvc", "repro")
    call("pipeline", "run")
    commands = {"dvc repro": ("dvc", "repro"), "pipeline run": ("pipeline", "run")}
    wall: dict[str, list[float]] = {name: [] for name in commands}
    busy: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            before = processor_seconds()
            wall[name].append(seconds(lambda command=command: call(*command)))
            busy[name].append(processor_seconds() - before)
    print(f"25 stage instances, all cached, medians of {ROUNDS}:")
    for kind, times in (("wall", wall), ("processor", busy)):
        repro, run = (statistics.median(taken) for taken in times.values())
        print(f"  {kind:<13} dvc repro {repro:.2f} s, pipeline run {run:.2f} s, ratio {run / repro:.2f}")


def side_by_side(root: Path, call: Callable[..., None]) -> None:
    """Two siblings that compute on one core each, first by themselves and then as stages."""
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

    print("two siblings, in turn and at the same time:")
    for name, work in (("plain", plain), ("as stages", staged)):
        serial, parallel = seconds(lambda work=work: work(1)), seconds(lambda work=work: work(2))
        print(f"  {name:<13} {serial:.1f} s and {parallel:.1f} s, ratio {parallel / serial:.2f}")


def make_project(root: Path, call: Callable[..., None]) -> None:
    root.mkdir()
    (root / "raw.txt").write_text("some data\n")
    (root / "params.yaml").write_text("rate: 1.0\n")
    (root / "dvc.yaml").write_text(DVC_YAML)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    call("dvc", "init", "-q")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def seconds(action: Callable[[], None]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def processor_seconds() -> float:
    """What the commands so far have computed; unlike the wall clock it hardly depends on what else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
