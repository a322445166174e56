"""Where a run happens, the user's own workspace or a copy of it, and the lock by which one run has it at a time."""

import contextlib
import fcntl
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.overrides import Override, name_of
from pipeline.settings import folder, interpreter
from pipeline.stage import TICK

NEVER = threading.Event()  # when what nobody can cancel is cancelled
CANCELLED = "stopped on request"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Workspace:
    """Where the stages run, and the Python that runs them and DVC. A copy has a name and belongs to the user's own
    workspace, `origin`."""

    origin: Path
    name: str = ""
    python: str = sys.executable

    @property
    def root(self) -> Path:
        """The folder of the project, which may lie deep in its git repository."""
        return self.clone / self.origin.relative_to(repository(self.origin)) if self.name else self.origin

    @property
    def clone(self) -> Path:
        """A copy's own git repository."""
        return folder(self.origin) / "runs" / self.name

    @property
    def lock_path(self) -> Path:
        own = folder(self.origin)
        return own / "runs" / f"{self.name}.lock" if self.name else own / "lock"

    @property
    def environment(self) -> Mapping[str, str]:
        """Stages in a copy import the copy's modules, also where the project is installed in editable mode."""
        if not self.name:
            return {}
        inherited = os.environ.get("PYTHONPATH")
        return {"PYTHONPATH": os.pathsep.join([str(self.root), inherited] if inherited else [str(self.root)])}


def choose_workspace(root: Path, overrides: tuple[Override, ...] = (), experiment: str = "") -> Workspace:
    """The user's own workspace, or a copy when the run has overrides or a name; nothing is created yet."""
    python = interpreter(root)
    if not overrides and not experiment:
        return Workspace(root, python=python)
    name = experiment or name_of(overrides)
    if not NAME.fullmatch(name):
        raise PipelineError(f"experiment: {name!r}: use letters, digits, '-' and '_'")
    return Workspace(root, name, python)


def repository(root: Path) -> Path:
    """The git repository that a project lies in; the project itself where there is none."""
    return next((parent for parent in (root, *root.parents) if (parent / ".git").exists()), root)


_claimed: dict[Path, int] = {}


def claim(workspace: Workspace) -> bool:
    """Take the workspace now, for the next `exclusive` of this process, if nobody has it; whether that succeeded."""
    if not (workspace.origin / ".dvc").is_dir():
        return False  # the run says so
    descriptor = _open_lock(workspace)
    if not _locked(descriptor):
        os.close(descriptor)
        return False
    _sign(descriptor)
    _claimed[workspace.lock_path] = descriptor
    return True


@contextlib.contextmanager
def exclusive(
    workspace: Workspace, *, wait: bool, say: Callable[[str], None], cancelled: threading.Event = NEVER
) -> Iterator[int]:
    """Hold the workspace for one run; yields the lock's file descriptor.

    A stage's leash inherits the descriptor, so the lock outlives a run that was killed until its last stage is gone.
    The kernel releases it, no file needs to be cleaned up. When another run has it: wait, or raise
    PipelineError, as also when `cancelled` meanwhile.
    """
    path = workspace.lock_path
    claimed = _claimed.pop(path, None)
    descriptor = _open_lock(workspace) if claimed is None else claimed
    try:
        waiting = False
        while claimed is None and not _locked(descriptor):
            holder = path.read_text(encoding="utf-8").strip() or "another run"
            if not wait:
                raise PipelineError(f"{workspace.root} is in use by {holder}; try later, or choose busy=wait")
            if not waiting:
                say(f"waiting for {holder}, which uses {workspace.root}")
            waiting = True
            if cancelled.wait(TICK):
                raise PipelineError(CANCELLED)
        _sign(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def _open_lock(workspace: Workspace) -> int:
    if not (workspace.origin / ".dvc").is_dir():
        raise PipelineError(f"{workspace.origin}: not the root of a DVC project (no .dvc folder); run `dvc init` there")
    workspace.lock_path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(workspace.lock_path, os.O_RDWR | os.O_CREAT, 0o644)


def _sign(descriptor: int) -> None:
    """Write into the lock who has it, for those who wait."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
