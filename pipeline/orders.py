"""What ends a run from outside while it is under way: it is cancelled or suspended, or its worker is gone."""

import contextlib
import contextvars
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Crashed

ALONE = "the worker that started it is gone; the next run goes on from there"
POLL = 2.0  # seconds between two looks
TELLING = 3.0  # seconds for a last word to the server
BY_WORKER = "PREFECT__FLOW_RUN_ID"  # is in the environment of a process that a worker has started for one run


@dataclass
class Order:
    """`stop` is set when the run is to end, and `end` is then the state to end in. One that is suspended waits there
    until it is resumed."""

    stop: threading.Event = field(default_factory=threading.Event)
    end: State[Any] | None = None

    @property
    def suspended(self) -> bool:
        return self.end is not None and self.end.is_paused()


@contextlib.contextmanager
def watch_for_orders(run: UUID, say: Callable[[str], None]) -> Iterator[Order]:
    """What becomes known soon after somebody cancels or suspends the run, also where no worker delivers a signal.

    The server is asked at once, now and then, and when the block has ended: once a run is cancelling, Prefect accepts
    no other end than Cancelled.
    """
    order = Order()
    client: SyncPrefectClient | None = None

    def look() -> bool:
        nonlocal client
        with contextlib.suppress(Exception):  # the server may be away for a while
            client = client or get_client(sync_client=True)
            state = client.read_flow_run(run).state
            if state is not None and (state.is_cancelling() or state.is_cancelled()):
                order.end = Cancelled(message="Stopped on request; the next run goes on from here.")
            elif state is not None and state.is_paused() and state.state_details.pause_reschedule:
                order.end = state
            if order.end is not None:
                order.stop.set()  # before anything is said: where nobody reads what is said, this thread ends there
                say(f"the run was {'suspended' if order.suspended else 'cancelled'}, stopping its stages")
        return order.stop.is_set()

    with _now_and_then(look):
        yield order


@contextlib.contextmanager
def ends_with_its_worker(run: UUID) -> Iterator[None]:
    """End this process at once where the worker that started it is gone, which newer releases of Prefect start in a
    session of its own, where no leash reaches it.

    Stages end by their leashes. What the server cannot be told any more, the next start tells it, see `ghosts`.
    """
    worker = os.getppid()

    def look() -> bool:
        if os.getppid() != worker:
            threading.Timer(TELLING, os._exit, (1,)).start()
            with contextlib.suppress(Exception), get_client(sync_client=True) as client:
                client.set_flow_run_state(run, Crashed(message=ALONE), force=True)
            os._exit(1)
        return False

    with _now_and_then(look) if BY_WORKER in os.environ else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _now_and_then(look: Callable[[], bool]) -> Iterator[None]:
    """Look at once, every few seconds, and when the block has ended, until a look says that it was the last."""
    ended = threading.Event()

    def looks() -> None:
        last = False
        while not look() and not last:
            last = ended.wait(POLL)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(looks,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=5)
