"""A run whose worker or whose process is gone: it ends, and the server learns of it and of its tasks."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from prefect import flow, get_client, task
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType, TaskRun
from prefect.states import Crashed, Running
from served import CODE

from pipeline.ghosts import settle_ghosts
from pipeline.orders import ALONE, BY_WORKER
from pipeline.settings import folder

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("server")]

RUN = """\
import os, threading, uuid
from pipeline.orders import BY_WORKER, ends_with_its_worker
with ends_with_its_worker(uuid.UUID(os.environ[BY_WORKER])):
    print(os.getpid(), flush=True)
    threading.Event().wait()
"""
WORKER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {RUN!r}], start_new_session=True)"


@flow
def work() -> None:
    pass


@task
def train() -> None:
    pass


def begun(client: SyncPrefectClient, root: Path) -> tuple[FlowRun, TaskRun, Path]:
    """A run and its task, both under way, and the file by which the run proves that it lives."""
    run = client.create_flow_run(work, state=Running())
    proof = folder(root) / "alive" / str(run.id)
    proof.parent.mkdir(parents=True, exist_ok=True)
    proof.touch()
    return run, client.create_task_run(train, run.id, dynamic_key="0", state=Running()), proof


def states(client: SyncPrefectClient, run: FlowRun, task_run: TaskRun) -> tuple[StateType | None, StateType | None]:
    return client.read_flow_run(run.id).state_type, client.read_task_run(task_run.id).state_type


@pytest.mark.parametrize("told", [False, True], ids=["it could say nothing", "it could say itself that it crashed"])
def test_a_dead_run_and_its_tasks_are_ended_by_the_next_start(tmp_path: Path, told: bool) -> None:
    with get_client(sync_client=True) as client:
        run, task_run, proof = begun(client, tmp_path)
        if told:
            client.set_flow_run_state(run.id, Crashed(), force=True)
        assert settle_ghosts(client, tmp_path, "no pool", "no queue") == ([] if told else [run.name])
        assert states(client, run, task_run) == (StateType.CRASHED, StateType.CRASHED)
        assert not proof.exists()


def test_a_run_that_proves_that_it_lives_is_left_alone(tmp_path: Path) -> None:
    with get_client(sync_client=True) as client:
        run, task_run, proof = begun(client, tmp_path)
        with proof.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert settle_ghosts(client, tmp_path, "no pool", "no queue") == []
        assert states(client, run, task_run) == (StateType.RUNNING, StateType.RUNNING)
        assert proof.exists()


def test_a_run_in_a_session_of_its_own_ends_with_its_worker_and_says_so() -> None:
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(work, state=Running())
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            cwd=CODE,
            env={**os.environ, BY_WORKER: str(run.id)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert worker.stdout
        process = psutil.Process(int(worker.stdout.readline()))
        try:
            worker.kill()
            worker.communicate(timeout=60)  # until nobody holds the pipe's other end any more
        finally:
            if process.is_running():
                process.kill()
        state = client.read_flow_run(run.id).state
        assert state is not None
        assert (state.type, state.message) == (StateType.CRASHED, ALONE)
