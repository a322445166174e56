"""Prefect's server as the bridge starts it: for this user alone, and no longer than whoever needs it.

It is a process of its own, `python -m pipeline.server`, that puts the gate in front of Prefect's application. Its
secret is made anew at every start; programs get it in their environment, a browser in the fragment of a link, and it is
written to a single file, which nobody else may read. Its database lies in the workspace, so that no two of them share
schedules, pools or runs.
"""

# mypy: disable-error-code="import-untyped"

import atexit
import contextlib
import fcntl
import http.client
import os
import re
import secrets
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.errors import PipelineError
from pipeline.gate import ENTER
from pipeline.held import PATIENCE, held, path_first
from pipeline.settings import folder

HOST = "127.0.0.1"
RESTARTS = 5  # of a temporary server that was killed
START = 180.0  # seconds until the server must answer: the first start makes the database
ASKED = "PREFECT_SERVER_API_AUTH_STRING"  # the secret that a server asks for; a user may choose it
ANSWERED = "PREFECT_API_AUTH_STRING"  # the same, as its clients give it
IGNORED = ("PREFECT_PROFILE", "PREFECT_API_KEY")  # what leads to other servers
STARTER = "PIPELINE_SERVER_PROCESS"


@dataclass(frozen=True)
class Access:
    """How to reach a server on this machine, and the secret that it asks for."""

    port: int
    secret: str

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def link(self) -> str:
        """The address that opens the pages without typing the secret."""
        return f"{self.url}{ENTER}#{self.secret}"

    @property
    def environment(self) -> dict[str, str]:
        """What leads a Prefect program there, and past any proxy, which is not to see the secret."""
        direct = ",".join(filter(None, [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), HOST]))
        return {"PREFECT_API_URL": f"{self.url}/api", ANSWERED: self.secret, "no_proxy": direct, "NO_PROXY": direct}


def prefect_environment(root: Path) -> dict[str, str]:
    """The environment of a Prefect program that works for this workspace: with a home there, where the user's profiles,
    which may lead to another server, play no part."""
    environment = {name: value for name, value in os.environ.items() if name not in IGNORED}
    home = environment.setdefault("PREFECT_HOME", str(folder(root) / "home"))
    environment.setdefault("PREFECT_SERVER_MEMO_STORE_PATH", f"{home}/memo_store.toml")  # not derived from the home
    return environment | path_first()


def listen(port: int = 0) -> socket.socket:
    """A socket that waits for connections on loopback; port 0 is any that is free."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise PipelineError(f"port {port} is in use; stop what listens there, or choose another with --port") from error
    listener.listen(128)
    return listener


def grant(listener: socket.socket) -> Access:
    """Access to the server that will listen there, by the user's own secret or else a new one."""
    return Access(listener.getsockname()[1], os.environ.get(ASKED) or secrets.token_urlsafe(32))


@contextlib.contextmanager
def serving(
    root: Path, listener: socket.socket, access: Access, *, temporary: bool = False, keeps: Sequence[int] = ()
) -> "Iterator[subprocess.Popen[bytes]]":
    """The server, which takes over the listening socket, until the block ends. A temporary one shows no pages and
    schedules nothing. Connections wait until it answers; `wait_for` says when that is."""
    environment = (
        prefect_environment(root)
        | access.environment
        | {
            ASKED: access.secret,
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": access.url,
            "PREFECT_UI_API_URL": "/api",  # by whatever name and forwarded port the pages were opened
            "PREFECT__SERVER_FINAL": "1",
        }
    )
    if temporary:
        environment |= {"PREFECT__SERVER_EPHEMERAL": "1", "PREFECT_UI_ENABLED": "false"}
    home = Path(environment["PREFECT_HOME"])
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PipelineError(f"{home}: the home of Prefect's server cannot be made: {error.strerror}") from error
    command = [sys.executable, "-m", "pipeline.server", str(listener.fileno())]
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(Path(__file__).parents[1]), environment.get("PYTHONPATH")])
    )
    with held(command, root, environment, log_file(root, temporary), keeps=[listener.fileno(), *keeps]) as server:
        listener.close()
        yield server


def log_file(root: Path, temporary: bool = False) -> Path:
    return folder(root) / ("temporary-server.log" if temporary else "server.log")


def wait_for(server: "subprocess.Popen[bytes]", access: Access, log: Path) -> None:
    """Wait until the server answers. Raises PipelineError with its reason where it has ended instead."""
    connection = http.client.HTTPConnection(HOST, access.port, timeout=START)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", "/api/health")
        if connection.getresponse().status == http.HTTPStatus.OK:
            return
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(1)
    raise PipelineError(f"Prefect's server did not start: {_last_words(log)}; see {log}")


def _last_words(log: Path) -> str:
    """Why the server ended, from the last exception in what it printed."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Interrupt)\b.*: ", line)]
    reason = raised[-1] if raised else next(filter(None, reversed(lines)), "it said nothing")
    if "Can't locate revision" in reason:
        reason = "its database was made by another, newer Prefect: install that, or name another folder in PREFECT_HOME"
    return " ".join(reason.split())


def connect(root: Path) -> "TemporaryServer | None":
    """Lead this process, which has not imported Prefect yet, to a server: to the one that PREFECT_API_URL names, else
    to the `pipeline ui` of this workspace, else to a temporary one, which is returned to be waited for."""
    ours = dict(announced(root))
    named = os.environ.get("PREFECT_API_URL")
    if named is not None and named != ours.get("PREFECT_API_URL"):
        return None
    for name in IGNORED:
        os.environ.pop(name, None)
    os.environ.update(prefect_environment(root) | ours)
    if ours:
        return None
    server = TemporaryServer(root)
    atexit.register(server.close)  # before Prefect registers its own ends, so that it comes after them
    os.environ.update(server.access.environment)
    return server


class TemporaryServer:
    """A server for the runs of this process alone, which is started again when somebody kills it."""

    def __init__(self, root: Path) -> None:
        self._root, self._log = root, log_file(root, temporary=True)
        self._closing, self._running = threading.Lock(), contextlib.ExitStack()
        listener = listen()
        self.access = grant(listener)
        self._start(listener)

    def _start(self, listener: socket.socket) -> None:
        self._server = self._running.enter_context(serving(self._root, listener, self.access, temporary=True))

    def wait(self) -> None:
        """Until it answers. Raises PipelineError with its reason where it does not start."""
        wait_for(self._server, self.access, self._log)
        threading.Thread(target=self._restart, daemon=True).start()

    def _restart(self) -> None:
        for _ in range(RESTARTS):
            self._server.wait()
            with self._closing:
                self._running.close()
                self._start(listen(self.access.port))

    def close(self) -> None:
        self._closing.acquire()  # for good
        self._running.close()


@contextlib.contextmanager
def announce(root: Path, access: Access) -> Iterator[int]:
    """Write the access to the server of this workspace where its user's programs find it, and only they, until the
    block ends. Yields the descriptor that proves it: the file is true as long as anybody has it open and locked.

    Raises PipelineError where another server has this workspace; one whose starter was killed is given time to end.
    """
    path = folder(root) / "server.env"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        started = time.monotonic()
        while not _locked(descriptor, fcntl.LOCK_EX):
            there = _read(path)
            starter = int(there.get(STARTER, 0))
            if psutil.pid_exists(starter) or time.monotonic() - started > 4 * PATIENCE:
                raise PipelineError(f"this workspace is served already, by process {starter}; see {path}")
            time.sleep(0.1)
        lines = access.environment | {"PREFECT_HOME": prefect_environment(root)["PREFECT_HOME"], STARTER: os.getpid()}
        _rewrite(descriptor, "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in lines.items()))
        try:
            yield descriptor
        finally:
            _rewrite(descriptor, "")
    finally:
        os.close(descriptor)


def announced(root: Path) -> Mapping[str, str]:
    """The environment that leads to the running server of this workspace; empty where there is none."""
    path = folder(root) / "server.env"
    try:
        with path.open("r+", encoding="utf-8") as file:
            return {} if _locked(file.fileno(), fcntl.LOCK_SH) else _read(path)
    except OSError:
        return {}


def _read(path: Path) -> dict[str, str]:
    words = shlex.split(path.read_text(encoding="utf-8"))  # a shell can read it too
    return {name: value for name, equals, value in (word.partition("=") for word in words) if equals}


def _locked(descriptor: int, kind: int) -> bool:
    """Take the lock if nobody else has it; whether that succeeded."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _rewrite(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def main() -> None:
    """Serve on the listening socket whose descriptor is the only argument."""
    import uvicorn
    from prefect.server.api.server import create_app

    from pipeline.gate import Gate

    config = uvicorn.Config(
        Gate(create_app()), log_level="warning", lifespan="on", proxy_headers=False, server_header=False
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
