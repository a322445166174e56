"""Keeps watch between the end of a stage and DVC's record of it.

DVC hashes the sources of a stage when its process has ended: what is edited just then, or while DVC waits for its lock
or reads large inputs, would be recorded against outputs that were made before. So a stage that DVC started leaves this
process behind. While DVC's table of locks says that it still writes the outputs down, a change of a source takes them
away: sources are hashed before outputs, so DVC finds none and records nothing.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from effopd.errors import MachineError
from effopd.files import Mark, temporary_near, touched

LOOK_SECONDS = 0.002  # between two looks: a few times shorter than DVC takes from the last source to the first output


Marks = Mapping[Path, Mapping[str, Mark]]


def stand(sources: Marks, outputs: Marks) -> subprocess.Popen[str] | None:
    """Start to watch sources by their `marks` and outputs by their `stamps`; None where no DVC waits for the stage."""
    if "DVC_ROOT" not in os.environ:
        return None
    told = {
        "table": str(Path(os.environ["DVC_ROOT"], ".dvc/tmp/rwlock")),
        "sources": {str(path): before for path, before in sources.items()},
        "outputs": {str(path): before for path, before in outputs.items()},
    }
    # without the site's packages, which it does not need, it is there in a tenth of a second
    command = [sys.executable, "-S", "-m", "stages.guard"]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert guard.stdin and guard.stdout
    guard.stdin.write(json.dumps(told) + "\n")
    guard.stdin.flush()
    if guard.stdout.readline() != "ready\n":
        raise MachineError("the stage's guard does not start; nothing was written")
    return guard


def main() -> None:
    told = json.loads(sys.stdin.readline())
    table = Path(told["table"])
    sources, outputs = (
        {Path(path): {place: tuple(mark) for place, mark in of.items()} for path, of in told[kind].items()}
        for kind in ("sources", "outputs")
    )
    print("ready", flush=True)
    sys.stdin.read()  # until the stage has ended, it looks itself
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # DVC puts links to its cache, or copies, in the place of outputs; the files that the stage wrote nobody writes to
    written = [(path / name, stamp) for path, of in outputs.items() for name, stamp in of.items()]
    held = [(file, os.open(file, os.O_RDONLY), stamp) for file, stamp in written if file.exists()]
    while _to_be_recorded(table, outputs):
        if place := _changed(sources, held):
            _take_away(outputs)
            made = ", ".join(map(str, outputs))
            sys.exit(f"error: {place} changed before DVC had recorded {made}: taken away again, run the stage again")
        time.sleep(LOOK_SECONDS)


def _changed(sources: Marks, held: Iterable[tuple[Path, int, Mark]]) -> str | Path | None:
    for path, before in sources.items():
        if place := touched(path, before):
            return place
    for file, descriptor, stamp in held:
        now = os.fstat(descriptor)
        if (now.st_ino, now.st_size, now.st_mtime_ns) != stamp:
            return file
    return None


def _to_be_recorded(table: Path, outputs: Iterable[Path]) -> bool:
    """Whether an output is there that a living DVC holds for writing."""
    try:
        held = json.loads(table.read_text(encoding="utf-8")).get("write", {})
    except FileNotFoundError:
        return False
    except ValueError:  # it was being written
        return True
    holders = {os.path.realpath(path): holder["pid"] for path, holder in held.items()}
    return any(
        path.exists() and Path(f"/proc/{holders[place]}").exists()
        for path in outputs
        if (place := os.path.realpath(path)) in holders
    )


def _take_away(outputs: Iterable[Path]) -> None:
    """Rename them away at once, and delete them then."""
    for path in outputs:
        with suppress(FileNotFoundError), temporary_near(path) as folder:
            path.rename(Path(folder, path.name))


if __name__ == "__main__":
    main()
