"""Where a run lives while it trains: its checkpoints so far and the state from which a killed run goes on.

The folder's name holds a key, a hash of everything that decides the run's weights except its number of steps. So a
killed run finds its own state again, a longer run continues a shorter one, and any other change starts afresh.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from effopd.errors import one_line
from effopd.files import DataError, atomic_path, link_or_copy, read_json, remove, write_json, write_jsonl
from effopd.models.weights import load_weights, save_weights
from effopd.trajectory.layout import ABOUT, METRICS, TRIGGERS, timing_file
from effopd.trajectory.store import step_folder

WORK_PER_SAVE = 20  # train at least this many times longer than a save takes, so that saving costs at most 5 %


@dataclass
class RunState:
    """What training needs to go on after `step`.

    tensors: weights, optimiser moments, the extrapolation anchor and a critic's own, by prefixed name.
    metrics, triggers, timing: the rows logged so far, one a step (triggers: one a trigger).
    continued: a row for each time that it went on with other settings, which last bits come of.
    """

    step: int
    tensors: dict[str, Tensor]
    metrics: list[dict[str, Any]] = field(default_factory=list)
    triggers: list[dict[str, Any]] = field(default_factory=list)
    timing: list[dict[str, Any]] = field(default_factory=list)
    continued: list[dict[str, Any]] = field(default_factory=list)


_log = logging.getLogger(__name__)

_taken: dict[Path, int] = {}  # the locks of this process, by folder; the kernel releases them when it ends


class Workspace:
    """The scratch folder of one run, which one process at a time may use; each of several ranks has the state of its
    own shards in it.

    decided_by: what the key is a hash of, by name: to say what has changed where a state is not gone on from.
    rounded_by: settings that last bits alone come of; a state is gone on from with others, which it then records.
    check: raises where what trained the run is no longer what its key was made of. Called before each save, so that no
    state under that key comes of anything else. Raises `DataError` where another process trains the run.
    """

    def __init__(
        self,
        scratch: Path,
        run: str,
        key: str,
        rank: int = 0,
        check: Callable[[], object] = lambda: None,
        decided_by: Mapping[str, Any] | None = None,
        rounded_by: Mapping[str, Any] | None = None,
    ) -> None:
        self._scratch, self._run, self._key, self._rank, self._check = scratch, run, key, rank, check
        self._decided_by, self._rounded_by = dict(decided_by or {}), dict(rounded_by or {})
        self._saved_files: dict[str, list[int]] = {}
        self.folder = scratch / f"{run}-{key[:16]}"
        self.checkpoints = self.folder / "checkpoints"
        self._states = self.folder / f"rank-{rank}" if rank else self.folder
        self._next_save = 0.0
        if rank == 0:
            _take(self.folder)

    def saved_steps(self) -> list[int]:
        """The steps of the whole states, ascending: of one, or of two when a kill hit between a save and `tidy`."""
        names = [re.fullmatch(r"state-(\d{8,})", folder.name) for folder in self._states.glob("state-*")]
        return sorted(int(name[1]) for name in names if name)

    def load(self, at_most: int) -> RunState | None:
        """The newest whole state that is not past `at_most` steps, or None."""
        steps = [step for step in self.saved_steps() if step <= at_most]
        if not steps:
            return None
        folder = self._states / f"state-{steps[-1]:08d}"
        try:
            state = read_json(folder / "state.json")
            if state.pop("key") != self._key:
                raise DataError(f"{folder}: a state of another run")
            self._saved_files = state.pop("checkpoints")
            self._check_checkpoints()
            del state["decided_by"]
            before = state.pop("rounded_by")
            found = RunState(tensors=load_weights(folder / "tensors.safetensors"), **state)
            self._note_other_settings(found, before)
            return found
        except (DataError, TypeError, KeyError, AttributeError) as error:
            said = error if isinstance(error, DataError) else f"{folder}: damaged ({one_line(repr(error), 200)})"
            raise DataError(f"{said}; delete {self.folder} to train this run from its beginning") from None

    def due(self) -> bool:
        """Whether enough work was done since the last save to be worth the next."""
        return time.monotonic() >= self._next_save

    def save(self, state: RunState) -> None:
        """Write a whole state, beside the older ones: a kill at any moment leaves one to go on from."""
        self._check()
        began = time.monotonic()
        self._saved_files = self._checkpoint_files()
        target = self._states / f"state-{state.step:08d}"
        with atomic_path(target) as folder:
            folder.mkdir()
            save_weights(folder / "tensors.safetensors", state.tensors)
            write_json(folder / "state.json", {
                "step": state.step, "metrics": state.metrics, "triggers": state.triggers, "timing": state.timing,
                "continued": state.continued, "key": self._key, "checkpoints": self._saved_files,
                "decided_by": self._decided_by, "rounded_by": self._rounded_by,
            })  # fmt: skip
        ended = time.monotonic()
        self._next_save = ended + WORK_PER_SAVE * (ended - began)

    def tidy(self, kept: int) -> None:
        """Drop all states but that of step `kept`; to be called when every rank has saved it."""
        for step in self.saved_steps():
            if step != kept:
                remove(self._states / f"state-{step:08d}")

    def publish(self, target: Path, steps: list[int], state: RunState, about: dict[str, Any]) -> None:
        """Put the finished run in place: the checkpoints of `steps`, its logs and what it is, without times."""
        self._check_checkpoints()
        with atomic_path(target) as folder:
            for step in steps:
                for file in sorted(step_folder(self.checkpoints, step).iterdir()):
                    link_or_copy(file, step_folder(folder, step) / file.name)
            write_jsonl(folder / METRICS, state.metrics)
            if state.triggers:
                write_jsonl(folder / TRIGGERS, state.triggers)
            write_json(folder / ABOUT, about | ({"continued": state.continued} if state.continued else {}))
        try:
            write_jsonl(timing_file(target), state.timing)
        except OSError as error:  # a home that cannot be written to costs the seconds, not the run
            _log.warning("%s: its seconds were not kept: %s", target, error)

    def begin_anew(self, why: str = "") -> None:
        """Drop what was trained under this key, and say what is not gone on from, and why, where there is anything.

        why: this key's own states cannot be gone on from.
        """
        if own := self.saved_steps():
            _log.warning("%s begins anew and drops the %d steps in %s: %s", self._run, own[-1], self.folder, why)
        elif found := self._of_other_key():
            folder, steps, changed = found
            said = one_line(changed)
            _log.warning(
                "%s begins anew, not from the %d steps in %s: other than then is %s", self._run, steps, folder, said
            )
        remove(self.folder)

    def _of_other_key(self) -> tuple[Path, int, str] | None:
        """The newest state of this run under another key: its folder, its steps, and what has changed since."""
        states = self._scratch.glob(f"{self._run}-{'[0-9a-f]' * 16}/state-*/state.json")
        for file in sorted(states, key=lambda file: file.stat().st_mtime, reverse=True):
            try:
                state = read_json(file)
                before, steps = dict(state["decided_by"]), int(state["step"])
            except (DataError, OSError, TypeError, KeyError, ValueError):  # damaged, or of an older version
                continue
            names = before.keys() | self._decided_by.keys()
            changed = sorted(name for name in names if before.get(name) != self._decided_by.get(name))
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            return file.parents[1], steps, f"{', '.join(changed[:3])}{more}"
        return None

    def _note_other_settings(self, state: RunState, before: Mapping[str, Any]) -> None:
        changed = {key: [before.get(key), value] for key, value in self._rounded_by.items() if before.get(key) != value}
        if not changed:
            return
        state.continued.append({"step": state.step, **changed})
        if self._rank == 0:
            said = ", ".join(f"{key} {value} instead of {old}" for key, (old, value) in changed.items())
            _log.warning("%s goes on from step %d with %s", self._run, state.step, said)

    def _checkpoint_files(self) -> dict[str, list[int]]:
        """Size in bytes and time written of each file of the checkpoints so far, which the first rank writes."""
        files = sorted(file for file in self.checkpoints.rglob("*") if file.is_file() and self._rank == 0)
        return {
            file.relative_to(self.checkpoints).as_posix(): [(found := file.stat()).st_size, found.st_mtime_ns]
            for file in files
        }

    def _check_checkpoints(self) -> None:
        """Raises `DataError` for one that was written to since it was saved, as published ones share their bytes."""
        now = self._checkpoint_files()
        for name, saved in self._saved_files.items():
            if now.get(name) != saved:
                raise DataError(f"{self.checkpoints / name}: changed since it was saved")


def _take(folder: Path) -> None:
    """Lock the folder for this process. What it held before, killed or not, may still be training."""
    path = folder.absolute()
    if path in _taken:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode() or "unknown"
        os.close(descriptor)
        raise DataError(f"{folder}: process {holder} still trains this run; wait for it, or end it") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    _taken[path] = descriptor
