"""Files that are whole or not there: written under a temporary name beside other temporaries, then renamed.

A temporary bears the number of the process that writes it, so that what killed processes have left can be told.
"""

# mypy: disable-error-code="import-untyped"

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

SUFFIX = ".tmp"


@contextlib.contextmanager
def replacing(path: Path, folder: Path | None = None) -> Iterator[Path]:
    """A name in `folder`, or beside the path, for a file or folder that takes the path's place at the end of the block.

    The folder is made where it is missing. Where the block raises, nothing is left.
    """
    folder = folder or path.parent
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{path.name}.{os.getpid()}{SUFFIX}"
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        remove(temporary)
        raise


def sweep(folder: Path) -> None:
    """Remove the temporaries in a folder whose processes are gone."""
    for path in folder.glob(f"*.*{SUFFIX}"):
        number = path.name.removesuffix(SUFFIX).rpartition(".")[2]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
