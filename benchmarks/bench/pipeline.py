"""A pipeline of 25 stages in which nothing is to do: `dvc repro`, `dvc status`, and the flow over a running server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bench.party import Options, Turns
from benchmarks.prefect_overhead import make_project
from pipeline.server import grant, listen, log_file, prefect_environment, serving, wait_for

Call = Callable[..., str]
ROOT = Path(__file__).parents[2]


def ours(options: Options, turns: Turns) -> None:
    with project(options) as call:
        repeat(turns, call, "dvc", "repro")


def status(options: Options, turns: Turns) -> None:
    with project(options) as call:
        repeat(turns, call, "dvc", "status")


def flow(options: Options, turns: Turns) -> None:
    listener = listen()
    access = grant(listener)
    home = options.folder / "home"
    home.mkdir()
    os.environ["PREFECT_HOME"] = str(home)
    environment = prefect_environment(options.folder / "project") | access.environment
    with project(options, **environment) as call, serving(home, listener, access) as server:
        wait_for(server, access, log_file(home))
        call("pipeline", "run")
        repeat(turns, call, "pipeline", "run")


@contextmanager
def project(options: Options, **environment: str) -> Iterator[Call]:
    """A new project, reproduced once, and what calls a module of Python in it."""
    root = options.folder / "project"
    around = os.environ | environment | {
        "PYTHONPATH": str(ROOT), "DVC_SITE_CACHE_DIR": str(options.folder / "dvc"), "DVC_NO_ANALYTICS": "1"
    }  # fmt: skip

    def call(*module: str) -> str:
        command = [sys.executable, "-m", *module]
        return subprocess.run(command, cwd=root, env=around, check=True, capture_output=True, text=True).stdout

    make_project(root, call)
    call("dvc", "repro")
    yield call


def repeat(turns: Turns, call: Call, *module: str) -> None:
    while True:
        turns.next()
        call(*module)
