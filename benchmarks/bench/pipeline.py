"""A pipeline of 25 stages in which nothing is to do: `dvc repro`, `dvc status`, and the flow over a running server."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.bench.party import Options, Turns
from benchmarks.prefect_overhead import Call, caller, make_project
from pipeline.server import grant, listen, log_file, prefect_environment, serving, wait_for

ROOT = Path(__file__).parents[2]


def ours(options: Options, turns: Turns) -> None:
    repeat(turns, project(options), "dvc", "repro")


def status(options: Options, turns: Turns) -> None:
    repeat(turns, project(options), "dvc", "status")


def flow(options: Options, turns: Turns) -> None:
    listener = listen()
    access = grant(listener)
    home = options.folder / "home"
    home.mkdir()
    os.environ["PREFECT_HOME"] = str(home)
    environment = prefect_environment(options.folder / "project") | access.environment
    call = project(options, **environment)
    with serving(home, listener, access) as server:
        wait_for(server, access, log_file(home))
        call("pipeline", "run")
        repeat(turns, call, "pipeline", "run")


def project(options: Options, **environment: str) -> Call:
    """A new project, reproduced once, and what calls a module of Python in it."""
    root = options.folder / "project"
    around = os.environ | environment | {
        "PYTHONPATH": str(ROOT), "DVC_SITE_CACHE_DIR": str(options.folder / "dvc"), "DVC_NO_ANALYTICS": "1"
    }  # fmt: skip
    call = caller(root, around)
    make_project(root, call)
    call("dvc", "repro")
    return call


def repeat(turns: Turns, call: Call, *module: str) -> None:
    while True:
        turns.next()
        call(*module)
