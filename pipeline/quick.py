"""Less waiting for Prefect: while it is imported, and when a flow ends."""

import contextlib
import functools
import gc
import sys
import types
from collections.abc import Iterator

OPTIONAL = ("pandas", "trio", "httpx._main")  # whose importers manage without
UNUSED = ("prefect.blocks.notifications", "prefect.blocks.webhook")  # whose importers only register them


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Import Prefect in two thirds of the time.

    No garbage is collected meanwhile, since classes are built and nothing is thrown away. What is loaded only because
    it is there is hidden until the end of the block: pandas, for data frames in the keys of a cache that is switched
    off here, trio, the command line of the HTTP client, and Prefect's blocks for chats and webhooks.
    """
    hidden = [name for name in OPTIONAL if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import fail as if not installed
    empty = {name: types.ModuleType(name) for name in UNUSED if name not in sys.modules}
    sys.modules.update(empty)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        for name in [*hidden, *empty]:
            del sys.modules[name]
            package, _, module = name.rpartition(".")
            if package in sys.modules:  # or the package would go on showing the empty module
                vars(sys.modules[package]).pop(module, None)


def end_without_heartbeat() -> None:
    """Let a flow end at once. Prefect waits at the end of a flow for the thread that sends its heartbeats, which looks
    up once a second; the heartbeats stay, only the wait goes, as Prefect itself has it where a flow is asynchronous."""
    from prefect import flow_engine

    sending = getattr(flow_engine, "_send_heartbeats", None)  # its name in the releases that wait
    if sending is not None and not isinstance(sending, functools.partial):
        flow_engine._send_heartbeats = functools.partial(sending, join_on_exit=False)
