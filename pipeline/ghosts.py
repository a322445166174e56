"""Runs whose process was killed: a server that starts again says so, or they would count as running for ever.

A run proves that it lives by a lock on a file of its own. The kernel releases it, however the process ends. Runs of
other machines have their files there, and are left alone.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
    WorkQueueFilter,
    WorkQueueFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Crashed, Scheduled

from pipeline.settings import folder

BEGUN = [StateType.RUNNING, StateType.CANCELLING, StateType.PENDING]
GONE = "its process was killed, or the machine went down; the next run goes on from there"


@contextlib.contextmanager
def alive(root: Path, run: UUID) -> Iterator[None]:
    """Prove that this process executes the run, for as long as it does."""
    path = folder(root) / "alive" / str(run)
    if not (root / ".dvc").is_dir():
        yield  # the run will say so
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def settle_ghosts(client: SyncPrefectClient, root: Path, pool: str, queue: str) -> list[str]:
    """End the runs of this workspace whose processes are gone, and put back what a worker of `queue` had taken but not
    begun; returns their names. No worker of that queue may be at work."""
    proofs = folder(root) / "alive"
    killed = [path for path in proofs.glob("*") if not _held(path)] if proofs.is_dir() else []
    settled = []
    which = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(path.name) for path in killed]))
    for run in client.read_flow_runs(flow_run_filter=which) if killed else []:
        _end_tasks(client, run)  # also of one that could say for itself, before it went, that it ends: see `orders`
        if run.state_type in BEGUN:
            _end(client, run)
            settled.append(run.name)
    for path in killed:
        path.unlink(missing_ok=True)
    taken = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING])))
    for run in client.read_flow_runs(
        flow_run_filter=taken,
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
        work_queue_filter=WorkQueueFilter(name=WorkQueueFilterName(any_=[queue])),
    ):
        client.set_flow_run_state(run.id, Scheduled(), force=True)
        settled.append(run.name)
    return settled


def _end_tasks(client: SyncPrefectClient, run: FlowRun) -> None:
    """Give the run's tasks the state in which they are; their slots under their tags' limits become free."""
    unfinished = TaskRunFilter(state=TaskRunFilterState(name=None, type=TaskRunFilterStateType(any_=BEGUN)))
    for task in client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])), task_run_filter=unfinished
    ):
        client.set_task_run_state(task.id, Crashed(message=GONE), force=True)


def _end(client: SyncPrefectClient, run: FlowRun) -> None:
    cancelling = run.state is not None and run.state.is_cancelling()
    client.set_flow_run_state(run.id, Cancelled() if cancelling else Crashed(message=GONE), force=True)


def _held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True  # it has just ended by itself
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
