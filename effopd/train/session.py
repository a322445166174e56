"""What surrounds a training loop: resume, progress, live curves, checkpoints. The loop itself stays the algorithm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from effopd.files import canonical_json, remove
from effopd.models.store import save_checkpoint
from effopd.train.clock import Clock
from effopd.train.costs import Costs, computing_parameters
from effopd.train.engine import Engine
from effopd.train.trackers import open_tracker
from effopd.trajectory.schedule import is_trigger
from effopd.trajectory.store import open_checkpoint, step_folder
from effopd.trajectory.workspace import RunState, Workspace

CRITIC = "critic/"
"""What the names of the critic's tensors begin with in a saved state."""


class Foresight(Protocol):
    """What looks at a run's update while it grows."""

    def measure(self, step: int, weights: Iterable[tuple[str, Tensor]]) -> dict[str, float]: ...


class Session:
    """One training run, from its newest saved state to its last step.

    After `steps()` is exhausted, `state` holds the finished run's logs. Metrics are functions of the weights and the
    seed; seconds are kept apart in `state.timing`, so that a run's outputs are the same bytes on every run: the wall's
    are the first rank's, those of processors and GPUs are summed over ranks.
    extra_state: live tensors beside weights and moments that a killed run needs back, such as EffOPD's anchor.
    critic: an engine beside the first whose weights and moments it needs back too; no checkpoint holds them.
    keep: what to do at `kept_steps` instead of writing a checkpoint.
    foresight: makes, of the weights at step 0, what looks at the checkpoints of steps 1, 2, 4, … for the live curves.
    live: a folder for the live curves. tracker: what else shows them, see `open_tracker`.
    With several ranks each keeps the state of its own shards; the first alone writes logs and checkpoints.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        tokenizer: PreTrainedTokenizerBase,
        workspace: Workspace,
        live: Path,
        last_step: int,
        kept_steps: Sequence[int],
        extra_state: Mapping[str, Tensor] | None = None,
        critic: Engine | None = None,
        keep: Callable[[int], None] | None = None,
        foresight: Callable[[Mapping[str, Tensor]], Foresight] | None = None,
        tracker: str = "tensorboard",
    ) -> None:
        self.kept_steps = kept_steps
        self._keep, self._keeps_elsewhere = keep or self._checkpoint, keep is not None
        self.state = RunState(step=0, tensors={})
        self._engine, self._tokenizer, self._workspace = engine, tokenizer, workspace
        self._live, self._tracker, self.last_step = live, tracker, last_step
        self._extra_state, self._critic = extra_state or {}, critic
        self._row: dict[str, Any] = {}
        self._times: dict[str, float] = {}
        self._make_foresight = foresight
        self._foresight: Foresight | None = None
        self._foreseen: dict[str, float] = {}
        self._parameters = computing_parameters(engine.module)
        self._restore()
        last = self.state.metrics[-1] if self.state.metrics else {}
        self._spent = Costs(**{name: last[name] for name in Costs.__annotations__ if name in last})

    def steps(self) -> Iterator[int]:
        """The steps still to do, counted from 1; after each, its logs are written and due checkpoints saved."""
        done = self.state.step
        with self._live_curves() as live:
            if done == 0 and 0 in self.kept_steps:
                self._keep(0)
            for step in range(done + 1, self.last_step + 1):
                clock = Clock(self._engine.device)
                yield step
                self._times |= clock.read()
                self._record(step)
                if step in self.kept_steps:
                    self._keep(step)
                if live is not None:
                    live.show(step, self._row, self._times | self._foreseen)
                self._row, self._times, self._foreseen = {}, {}, {}
                if step == self.last_step or not self._engine.everywhere(not self._workspace.due()):
                    self._save()

    def log(self, **values: float | int) -> None:
        """Metrics of the present step."""
        self._row.update(values)

    def spend(self, **amounts: int) -> None:
        """Add to the fields of `Costs`, whose running totals are logged with every step."""
        self._spent += Costs(**amounts)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the block's seconds to those that this step spends on something, beside the step's own."""
        clock = Clock(self._engine.device)
        yield
        for kind, seconds in clock.read().items():
            name = f"{what}_{kind}"
            self._times[name] = self._times.get(name, 0.0) + seconds

    def log_trigger(self, row: dict[str, Any]) -> None:
        """What an extrapolation did after an update of the present step."""
        self.state.triggers.append(row)

    def publish(self, target: Path, about: dict[str, Any]) -> None:
        """Put the finished run in place: its checkpoints, its logs and what it is."""
        self._workspace.publish(target, list(self.kept_steps), self.state, about)

    def _live_curves(self) -> AbstractContextManager[_LiveCurves | None]:
        if self._engine.rank > 0:
            return nullcontext()
        earlier = self._seen_again() if 0 < self.state.step < self.last_step else {}
        rows = [row | earlier.get(row["step"], {}) for row in self.state.metrics]
        return _LiveCurves(self._live, self._tracker, rows, self.last_step)

    def _seen_again(self) -> dict[int, dict[str, float]]:
        """What a run that goes on has foreseen before, by step, from its checkpoints."""
        checkpoints, done = self._workspace.checkpoints, self.state.step
        steps = [step for step in self.kept_steps if step <= done and step_folder(checkpoints, step).is_dir()]
        return {step: self._foresee(step, open_checkpoint(checkpoints, step)) for step in steps}

    def _record(self, step: int) -> None:
        self.state.step = step
        if self._spent != Costs():
            self._row |= asdict(self._spent) | {"student_flops": self._spent.student_flops(self._parameters)}
        work = sorted(name for name in self._times if name.endswith(("cpu_seconds", "device_seconds")))
        self._times |= zip(work, self._engine.sum(*(self._times[name] for name in work)), strict=True)
        self.state.metrics.append({"step": step, **self._row})
        self.state.timing.append({"step": step, **self._times})

    def _checkpoint(self, step: int) -> None:
        engine = self._engine
        weights = {name: whole.cpu() for name, whole in engine.each_weight() if engine.rank == 0}
        if engine.rank == 0:
            save_checkpoint(step_folder(self._workspace.checkpoints, step), engine.module, self._tokenizer, weights)
            self._foreseen = self._foresee(step, weights)

    def _foresee(self, step: int, weights: Mapping[str, Tensor]) -> dict[str, float]:
        """What is seen of the update so far. No result depends on it."""
        if step == 0 and self._make_foresight is not None:
            self._foresight = self._make_foresight(open_checkpoint(self._workspace.checkpoints, 0))
        if self._foresight is None or not is_trigger(step):
            return {}
        return {f"foresight/{name}": value for name, value in self._foresight.measure(step, weights.items()).items()}

    def _save(self) -> None:
        beside = {f"extra/{name}": tensor for name, tensor in self._extra_state.items()}
        if self._critic is not None:
            beside |= {f"{CRITIC}{name}": tensor for name, tensor in self._critic.state().items()}
        self.state.tensors = self._engine.state() | beside
        self._workspace.save(self.state)
        self._engine.wait()
        self._workspace.tidy(self.state.step)

    def _restore(self) -> None:
        """Go on from the newest state that every rank has, or from the beginning."""
        saved = [step for step in self._workspace.saved_steps() if step <= self.last_step]
        newest = int(self._engine.smallest(saved[-1] if saved else 0))
        cannot = f"they are more than {self.last_step}, or some rank has none of them"
        if newest and (lacking := self._lacking(newest)):
            newest, cannot = 0, f"no checkpoint of step {lacking} was kept, and one is asked for"
        if newest == 0 or (state := self._workspace.load(at_most=newest)) is None:
            self._engine.wait()  # every rank has looked
            if self._engine.rank == 0:
                self._workspace.begin_anew(cannot)
            self._engine.wait()
            return
        self._engine.load_state(state.tensors)
        for name, tensor in self._extra_state.items():
            tensor.copy_(state.tensors[f"extra/{name}"])
        if self._critic is not None:
            critics = {name: tensor for name, tensor in state.tensors.items() if name.startswith(CRITIC)}
            self._critic.load_state({name.removeprefix(CRITIC): tensor for name, tensor in critics.items()})
        self.state = state

    def _lacking(self, newest: int) -> int | None:
        """The first step up to `newest` whose checkpoint is asked for and was not kept."""
        if self._keeps_elsewhere:
            return None
        past = [step for step in self.kept_steps if step <= newest]
        return next((step for step in past if not step_folder(self._workspace.checkpoints, step).is_dir()), None)


class _LiveCurves:
    """``metrics.jsonl``, a line a step, the same in a tracker, and the progress bar."""

    def __init__(self, folder: Path, tracker: str, rows: list[dict[str, Any]], last_step: int) -> None:
        self._folder, self._name, self._rows, self.last_step = folder, tracker, rows, last_step

    def __enter__(self) -> _LiveCurves:
        remove(self._folder)
        self._folder.mkdir(parents=True)
        self._lines = (self._folder / "metrics.jsonl").open("w", encoding="utf-8")
        self._tracker = open_tracker(self._name, self._folder)
        done = len(self._rows)
        self._bar = tqdm(total=self.last_step, initial=done, desc=self._folder.name, unit="step", mininterval=1.0)
        for row in self._rows:
            self._lines.write(canonical_json(row) + "\n")
            self._tracker.log(row, row["step"])
        return self

    def show(self, step: int, row: dict[str, Any], times: dict[str, float]) -> None:
        self._lines.write(canonical_json({"steps": self.last_step, "step": step, **row, **times}) + "\n")
        self._lines.flush()
        self._tracker.log(row | times, step)
        shown = {name: f"{row[name]:.3g}" for name in ("loss", "accuracy") if name in row}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        self._lines.close()
        self._tracker.finish()
