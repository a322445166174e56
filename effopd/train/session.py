"""What surrounds a training loop: resume, progress, live curves, checkpoints. The loop itself stays the algorithm."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from effopd.files import canonical_json, remove
from effopd.models.store import save_model
from effopd.train.engine import TorchEngine
from effopd.trajectory.store import step_folder
from effopd.trajectory.workspace import RunState, Workspace


class Session:
    """One training run, from its newest saved state to its last step.

    After `steps()` is exhausted, `state` holds the finished run's logs. Metrics are functions of the weights and the
    seed; seconds are kept apart in `state.timing`, so that a run's outputs are the same bytes on every run.
    extra_state: live tensors beside weights and moments that a killed run needs back, such as EffOPD's anchor.
    """

    def __init__(
        self,
        *,
        engine: TorchEngine,
        tokenizer: PreTrainedTokenizerBase,
        workspace: Workspace,
        live: Path,
        last_step: int,
        kept_steps: Sequence[int],
        extra_state: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.kept_steps = kept_steps
        self.state = RunState(step=0, tensors={})
        self._engine, self._tokenizer, self._workspace = engine, tokenizer, workspace
        self._live, self._last_step = live, last_step
        self._extra_state = extra_state or {}
        self._row: dict[str, Any] = {}
        self._times: dict[str, float] = {}
        self._restore()

    def total(self, name: str) -> int:
        """Where the running total that is logged as `name` stands."""
        return self.state.metrics[-1][name] if self.state.metrics else 0

    def steps(self) -> Iterator[int]:
        """The steps still to do, counted from 1; after each, its logs are written and due checkpoints saved."""
        done = self.state.step
        with (
            _LiveWriters(self._live, self.state.metrics) as (lines, board),
            tqdm(total=self._last_step, initial=done, desc=self._live.name, unit="step", mininterval=1.0) as bar,
        ):
            if done == 0 and 0 in self.kept_steps:
                self._checkpoint(0)
            for step in range(done + 1, self._last_step + 1):
                began = time.perf_counter()
                yield step
                self._times["seconds"] = time.perf_counter() - began
                self._record(step, lines, board)
                bar.set_postfix({name: f"{self._row[name]:.3g}" for name in ("loss", "accuracy") if name in self._row})
                bar.update()
                self._row, self._times = {}, {}
                if step in self.kept_steps:
                    self._checkpoint(step)
                if self._workspace.due() or step == self._last_step:
                    self._save()

    def log(self, **values: float | int) -> None:
        """Metrics of the present step."""
        self._row.update(values)

    def log_trigger(self, row: dict[str, Any], seconds: float) -> None:
        """What an extrapolation did after the present step, and the wall time that it took."""
        self.state.triggers.append(row)
        self._times["validation_seconds"] = seconds

    def _record(self, step: int, lines: TextIO, board: SummaryWriter) -> None:
        self.state.step = step
        self.state.metrics.append({"step": step, **self._row})
        self.state.timing.append({"step": step, **self._times})
        lines.write(canonical_json({"steps": self._last_step, "step": step, **self._row, **self._times}) + "\n")
        lines.flush()
        for name, value in (self._row | self._times).items():
            board.add_scalar(name, value, step)

    def _checkpoint(self, step: int) -> None:
        save_model(step_folder(self._workspace.checkpoints, step), self._engine.model, self._tokenizer)

    def _save(self) -> None:
        extra = {f"extra/{name}": tensor for name, tensor in self._extra_state.items()}
        self.state.tensors = self._engine.state() | extra
        self._workspace.save(self.state)

    def _restore(self) -> None:
        if (state := self._workspace.load(at_most=self._last_step)) is None:
            remove(self._workspace.folder)
            return
        self._engine.load_state(state.tensors)
        for name, tensor in self._extra_state.items():
            tensor.copy_(state.tensors[f"extra/{name}"])
        self.state = state


class _LiveWriters:
    """``metrics.jsonl``, a line a step, and TensorBoard's event file in one folder, from the first step on."""

    def __init__(self, folder: Path, rows: list[dict[str, Any]]) -> None:
        self._folder, self._rows = folder, rows

    def __enter__(self) -> tuple[TextIO, SummaryWriter]:
        remove(self._folder)
        self._folder.mkdir(parents=True)
        self._lines = (self._folder / "metrics.jsonl").open("w", encoding="utf-8")
        self._board = SummaryWriter(str(self._folder), flush_secs=5)
        for row in self._rows:
            self._lines.write(canonical_json(row) + "\n")
            for name, value in row.items():
                self._board.add_scalar(name, value, row["step"])
        return self._lines, self._board

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._board.close()
