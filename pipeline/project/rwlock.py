"""DVC's table of read and write locks, without what killed processes have left in it."""

# mypy: disable-error-code="import-untyped"

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

TABLE = "rwlock"
CLOCKS = 2.0  # seconds by which the start of a process and the time of a file may be apart


def release_dead_locks(root: Path) -> None:
    """Remove the entries of processes that are gone, and a table that a killed process has written in part only."""
    folder = root / ".dvc" / "tmp"
    path = folder / TABLE
    if not path.exists() or (_whole(path) and not any(json.loads(path.read_text(encoding="utf-8")).values())):
        return
    from dvc.fs import localfs  # late: most runs find no such entry
    from dvc.lock import make_lock
    from dvc.rwlock import RWLOCK_LOCK, _edit_rwlock

    if not _whole(path):
        with make_lock(str(folder / RWLOCK_LOCK), tmp_dir=str(folder)):  # now nobody is writing
            if not _whole(path):
                path.unlink(missing_ok=True)
    with _edit_rwlock(str(folder), localfs, None) as table:
        written = path.stat().st_mtime if path.exists() else 0.0
        for held, holder in list(table["write"].items()):
            if not _holds(holder, written):
                del table["write"][held]
        for held, holders in list(table["read"].items()):
            table["read"][held] = [holder for holder in holders if _holds(holder, written)]
            if not table["read"][held]:
                del table["read"][held]


def _whole(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return False


def _holds(holder: Mapping[str, Any], written: float) -> bool:
    """Whether the process of an entry lives and is the one that made it, not another that has got its number since."""
    try:
        process = psutil.Process(holder["pid"])
        if process.status() == psutil.STATUS_ZOMBIE or process.create_time() > written + CLOCKS:
            return False
        _, _, arguments = holder["cmd"].partition(" ")
        return " ".join(process.cmdline()).endswith(arguments)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
