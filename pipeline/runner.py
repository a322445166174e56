"""Turn a plan into Prefect tasks: start each stage as soon as all that it needs is done, and note how it ended."""

import contextlib
import functools
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, StateDetails
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed

from pipeline.artifacts import progress
from pipeline.dag import StageNode
from pipeline.dvc_process import DvcProcess
from pipeline.outcome import Outcome
from pipeline.plan import Expected, Plan
from pipeline.request import Request
from pipeline.stage import StageResult, run_stage
from pipeline.workspace import Workspace

LOST_TRIES = 12  # how often a task that Prefect dropped is submitted again
LOST_PAUSE = 5.0  # seconds before that
# What DVC advises the user to do by hand after every single stage.
ADVICE = re.compile(r"\s*(To (track|enable)|git add |dvc config core.autostage|Use `dvc push`|$)")
BROKEN = (Outcome.FAILED, Outcome.SKIPPED)


class Runner:
    """Runs the stages of one plan in one workspace. `results` fills in the order in which stages end."""

    def __init__(self, dvc: DvcProcess, place: Workspace, plan: Plan, request: Request, lock: int) -> None:
        self._dvc, self._place, self._plan, self._request, self._lock = dvc, place, plan, request, lock
        self._task_runs: dict[str, UUID] = {}
        self._ended: queue.Queue[str] = queue.Queue()
        self._attempts: dict[str, StageResult] = {}
        self._stop = threading.Event()
        self._todo = list(plan.dag.stages)
        self._lost: dict[str, int] = {}  # how often Prefect gave up on a task before the stage had started
        self._not_before: dict[str, float] = {}
        self.results: dict[str, StageResult] = {}

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """Of the stages that have ended."""
        return {name: result.outcome for name, result in self.results.items()}

    @property
    def running(self) -> frozenset[str]:
        return frozenset(self._task_runs.keys() - self.results.keys())

    def run(self, cancelled: threading.Event, look: Callable[[], None] = lambda: None) -> None:
        """Run everything, with a `look` at it now and then. When `cancelled` is set, or an exception such as a
        termination arrives, all stages are stopped; no stage is left running when this returns or raises."""
        running = 0
        try:
            while (self._todo or running) and not cancelled.is_set():
                for name in [name for name in self._todo if self._ready(name)]:
                    if self._immediate(name):
                        state = self._task(name)(return_state=True, wait_for=self._edges(name))
                        assert state.state_details.task_run_id is not None
                        self._task_runs[name] = state.state_details.task_run_id
                        self.results[name] = self._attempts[name]
                    elif running < self._request.max_parallel:
                        future = self._task(name).submit(return_state=False, wait_for=self._edges(name))
                        self._task_runs[name] = future.task_run_id
                        future.add_done_callback(functools.partial(self._note_end, name))
                        running += 1
                    else:
                        continue
                    self._todo.remove(name)
                more = any(self._ready(name) and self._immediate(name) for name in self._todo)
                if not more and (self._todo or running):
                    running -= self._note_the_next()
                look()
        finally:
            self._stop.set()
            while running:
                running -= self._note_the_next()

    def _note_end(self, name: str, _: PrefectFuture[Any]) -> None:
        self._ended.put(name)

    def _note_the_next(self) -> int:
        """Wait a moment for a task to end; how many did (0 or 1)."""
        with contextlib.suppress(queue.Empty):
            name = self._ended.get(timeout=0.5)
            if name in self._attempts:
                self.results[name] = self._attempts[name]
            else:
                self._submit_again(name)
            return 1
        return 0

    def _submit_again(self, name: str) -> None:
        """Prefect asks the server before it starts a task with tags, and drops the task when the server is away."""
        self._lost[name] = self._lost.get(name, 0) + 1
        if self._stop.is_set() or self._lost[name] > LOST_TRIES:
            self.results[name] = StageResult(Outcome.FAILED, 0.0, "Prefect did not start the task; is its server up?")
            return
        get_run_logger().warning("%s: Prefect did not start the task, trying again in %g s", name, LOST_PAUSE)
        self._not_before[name] = time.monotonic() + LOST_PAUSE
        self._todo.append(name)

    def _ready(self, name: str) -> bool:
        waits = time.monotonic() < self._not_before.get(name, 0.0)
        return not waits and all(up in self.results for up in self._plan.dag.stages[name].upstream)

    def _immediate(self, name: str) -> bool:
        """Whether the outcome is known without a process: nothing changed, or a stage upstream is broken."""
        return bool(self._broken_upstream(name)) or (
            self._plan.forecasts[name].expected is Expected.CACHED
            and all(self.results[up].outcome is Outcome.CACHED for up in self._plan.dag.stages[name].upstream)
        )

    def _broken_upstream(self, name: str) -> list[str]:
        return [up for up in self._plan.dag.stages[name].upstream if self.results[up].outcome in BROKEN]

    def _edges(self, name: str) -> list[State[Any]]:
        """What Prefect draws as edges: for each stage upstream, a completed state that names its task run.

        The real state will not do, since Prefect refuses to run a task behind one that was skipped, and we want to say
        ourselves what becomes of it.
        """
        runs = (self._task_runs[up] for up in self._plan.dag.stages[name].upstream)
        return [Completed(data=True, state_details=StateDetails(task_run_id=run)) for run in runs]

    def _task(self, name: str) -> Task[[], State[Any]]:
        """The Prefect task of one stage instance; DVC's cache is the only one."""
        node = self._plan.dag.stages[name]

        def reproduce() -> State[Any]:
            self._attempts[name] = self._attempt(node)
            return self._state(name)

        def curable(*_: object) -> bool:
            return self._attempts[name].transient and not self._stop.is_set()

        return Task(
            fn=reproduce,
            name=name.partition("@")[0],
            task_run_name=name,
            description=self._plan.forecasts[name].reason,
            tags=[] if self._immediate(name) else list(node.hints.tags),  # what needs no process takes no tag's slot
            retries=node.hints.retries,
            retry_delay_seconds=node.hints.retry_delay,
            retry_condition_fn=curable,
            cache_policy=NO_CACHE,
            persist_result=False,
        )

    def _attempt(self, node: StageNode) -> StageResult:
        if broken := self._broken_upstream(node.name):
            return StageResult(
                Outcome.SKIPPED, 0.0, f"upstream failed: {', '.join(dict.fromkeys(self._culprits(broken)))}"
            )
        if self._immediate(node.name):
            return StageResult(Outcome.CACHED, 0.0)
        if self._stop.is_set():
            return StageResult(Outcome.FAILED, 0.0, "stopped")
        logger = get_run_logger()
        root = self._place.root
        logger.info("%s: %s", node.name, self._plan.forecasts[node.name].reason)

        def log(line: str) -> None:
            if not ADVICE.match(line):
                logger.info("%s", line)

        with progress(node.name, root / node.hints.progress) if node.hints.progress else contextlib.nullcontext():
            result = run_stage(
                self._dvc,
                root,
                node.name,
                force=self._request.force,
                pull=self._request.share,
                timeout=node.hints.timeout,
                environment=self._place.environment,
                stop=self._stop,
                lock=self._lock,
                on_line=log,
            )
        if result.outcome is Outcome.FAILED:
            logger.error("%s: %s", node.name, result.message)
        return result

    def _culprits(self, broken: list[str]) -> Iterator[str]:
        """The stages that failed themselves, behind those that were skipped."""
        for name in broken:
            if self.results[name].outcome is Outcome.FAILED:
                yield name
            else:
                yield from self._culprits(self._broken_upstream(name))

    def _state(self, name: str) -> State[Any]:
        """The task state that the UI shows."""
        result = self._attempts[name]
        message = self._reason(name, result)
        match result.outcome:
            case Outcome.RAN:
                return Completed(name="Ran", message=message)
            case Outcome.CACHED:
                return Completed(name="Cached", message=message)
            case Outcome.RESTORED:
                return Completed(name="Restored", message=message)
            case Outcome.SKIPPED:
                return Cancelled(name="Skipped", message=message)
        if self._stop.is_set():
            return Cancelled(message=message)
        return Failed(message=message)

    def table(self) -> list[dict[str, object]]:
        """One row per stage that ended, in the order of the DAG: stage, outcome, seconds, reason."""
        return [
            {
                "stage": name,
                "outcome": result.outcome.value,
                "seconds": round(result.seconds, 1),
                "reason": self._reason(name, result),
            }
            for name in self._plan.dag.stages
            if (result := self.results.get(name))
        ]

    def _reason(self, name: str, result: StageResult) -> str:
        """Why the stage ended as it did, in one line."""
        if result.message:
            return result.message
        forecast = self._plan.forecasts[name]
        if result.outcome is Outcome.CACHED and forecast.expected is not Expected.CACHED:
            return f"inputs came out the same ({forecast.reason})"
        return forecast.reason
