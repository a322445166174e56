"""What a run leaves for the browser: plan, summary, diffs, live progress, the DAG as a picture, a link to the report.

Publishing is a courtesy: a server that is away for a moment must not cost a run, so errors are logged and swallowed.
"""

import base64
import contextlib
import contextvars
import functools
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.logging import get_run_logger

from pipeline.dag import Dag
from pipeline.dvc_process import DvcProcess
from pipeline.outcome import Outcome
from pipeline.picture import draw
from pipeline.plan import Plan
from pipeline.reports import REPORTS_URL, keep_page

PAUSE = 1.0  # seconds between two updates of one progress artifact
PICTURE_PAUSE = 2.0  # seconds between two pictures of one run


def courtesy(publish: Callable[..., None]) -> Callable[..., None]:
    """Log an error of the publishing function instead of raising it."""

    @functools.wraps(publish)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            publish(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  (whatever the server or the network came up with)
            get_run_logger().warning("%s: not published: %s", publish.__name__, error)

    return wrapper


@contextlib.contextmanager
def publishing() -> Iterator[Callable[..., None]]:
    """Publish beside other work, so that a busy server delays no stage; the end of the block waits for the rest."""
    with ThreadPoolExecutor() as pool:

        def publish(action: Callable[..., None], *args: object) -> None:
            pool.submit(contextvars.copy_context().run, action, *args)

        yield publish


@courtesy
def publish_plan(plan: Plan) -> None:
    rows = [
        {"wave": row.wave, "stage": coded(row.stage), "expected": row.expected.value, "reason": coded(row.reason)}
        for row in sorted(plan.forecasts.values(), key=lambda forecast: forecast.wave)
    ]
    create_table_artifact(rows, key="dvc-plan", description="What this run expects to do, wave by wave.")


@courtesy
def publish_summary(rows: list[dict[str, object]]) -> None:
    shown = [{key: coded(value) if isinstance(value, str) else value for key, value in row.items()} for row in rows]
    create_table_artifact(shown, key="dvc-summary", description="How every stage ended.")


class LivePicture:
    """The DAG as a picture: of a run that takes longer it is there while it runs, and kept up to date."""

    def __init__(self, dag: Dag) -> None:
        self._dag, self._turn = dag, threading.Lock()
        self._asked: tuple[object, object] = ({}, frozenset())
        self._not_before = time.monotonic() + PICTURE_PAUSE
        self._artifact: UUID | None = None
        self._ended = -1  # stages, in the picture that is shown

    def due(self, outcomes: Mapping[str, Outcome], running: frozenset[str]) -> bool:
        """Whether it is time for another one; to be asked by one thread, which then has it published."""
        if time.monotonic() < self._not_before or self._asked == (outcomes, running):
            return False
        self._not_before, self._asked = time.monotonic() + PICTURE_PAUSE, (outcomes, running)
        return True

    @courtesy
    def publish(self, outcomes: Mapping[str, Outcome], running: frozenset[str] = frozenset()) -> None:
        encoded = base64.b64encode(draw(self._dag, outcomes, running).encode()).decode()
        image = f"data:image/svg+xml;base64,{encoded}"
        with self._turn:
            if len(outcomes) < self._ended:
                return  # a later one was quicker
            self._ended = len(outcomes)
            if self._artifact is None:
                made = create_image_artifact(image, key="dvc-dag", description="The DAG, coloured by outcome.")
                assert isinstance(made, UUID)
                self._artifact = made
                return
            with get_client(sync_client=True) as client:
                client.update_artifact(self._artifact, ArtifactUpdate(data=image))


@courtesy
def publish_diffs(dvc: DvcProcess, root: Path) -> None:
    """Metrics and parameters of the workspace against the last commit, as `dvc metrics diff` and `dvc params diff`."""
    for kind, diff in dvc.diffs(root).items():
        text = diff_table(diff.get("diff", diff))
        create_markdown_artifact(
            text, key=f"dvc-{kind}-diff", description=f"`dvc {kind} diff` against the last commit."
        )


def diff_table(diff: Mapping[str, Mapping[str, Mapping[str, object]]]) -> str:
    """A Markdown table of DVC's `{file: {name: {"old", "new", "diff"}}}`."""
    rows = [
        [path, name, *(_cell(change.get(column)) for column in ("old", "new", "diff"))]
        for path, changes in diff.items()
        for name, change in changes.items()
    ]
    if not rows:
        return "No changes."
    header = [["File", "Name", "Old", "New", "Change"], ["---"] * 5]
    return "\n".join(f"| {' | '.join(row)} |" for row in header + rows)


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")


@courtesy
def publish_report(root: Path, origin: Path, report: str) -> None:
    """A link to the report as this run has left it, kept in the user's own workspace, `origin`: over HTTP where
    `pipeline ui` serves it, else to the file."""
    path = root / report
    if not report or not path.exists():
        return
    kept = keep_page(origin, path)
    served = os.environ.get(REPORTS_URL)
    link = f"{served}/{kept.name}" if served else kept.as_uri()
    create_link_artifact(link, link_text=report, key="dvc-report", description="The report of this run.")


@contextlib.contextmanager
def progress(stage: str, path: Path) -> Iterator[None]:
    """Follow the file of one stage meanwhile and keep a progress artifact up to date with its last line.

    Each line is a JSON object. `step` and `steps` (or `progress`, from 0 to 1) make the percentage, the other numbers
    are shown beside it. A thread does it, so a slow server never holds up the stage.
    """
    ended = threading.Event()
    follow = _Follower(stage, path)

    def loop() -> None:
        while not ended.wait(PAUSE):
            follow.update()
        follow.update()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(loop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=5)


class _Follower:
    """Reads what is new in the file and publishes the last line of it."""

    def __init__(self, stage: str, path: Path) -> None:
        self._stage, self._path = stage, path
        self._offset = path.stat().st_size if path.exists() else 0  # lines of an earlier run are history
        self._artifact: UUID | None = None

    def update(self) -> None:
        record = self._last_record()
        if record is not None:
            self._publish(record)

    def _last_record(self) -> Mapping[str, object] | None:
        """The last complete new line that is a JSON object, if any."""
        if not self._path.exists():
            return None
        if self._path.stat().st_size < self._offset:
            self._offset = 0  # the stage began a new file
        with self._path.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        complete = new[: new.rfind(b"\n") + 1]
        self._offset += len(complete)
        for line in reversed(complete.splitlines()):
            with contextlib.suppress(json.JSONDecodeError, UnicodeDecodeError):
                record = json.loads(line)
                if isinstance(record, dict):
                    return record
        return None

    @courtesy
    def _publish(self, record: Mapping[str, object]) -> None:
        percent, text = percentage(record), describe(self._stage, record)
        if self._artifact is None:
            artifact = create_progress_artifact(percent, key=f"progress-{slug(self._stage)}", description=text)
            assert isinstance(artifact, UUID)
            self._artifact = artifact
        else:
            update_progress_artifact(self._artifact, progress=percent, description=text)


def percentage(record: Mapping[str, object]) -> float:
    """Percent done, 0 to 100; 0 where the record does not tell."""
    step, steps, fraction = record.get("step"), record.get("steps"), record.get("progress")
    if isinstance(step, (int, float)) and isinstance(steps, (int, float)) and steps > 0:
        fraction = step / steps
    return min(100.0, max(0.0, 100.0 * fraction)) if isinstance(fraction, (int, float)) else 0.0


def describe(stage: str, record: Mapping[str, object]) -> str:
    """Such as "`train@0`: step 12 of 64, loss 0.31, accuracy 0.52"."""
    shown = [f"step {record['step']} of {record['steps']}"] if {"step", "steps"} <= record.keys() else []
    numbers = {key: value for key, value in record.items() if isinstance(value, (int, float))}
    shown += [f"{key} {value:.4g}" for key, value in numbers.items() if key not in ("step", "steps", "progress")]
    return f"{coded(stage)}: {', '.join(shown)}"


def coded(text: str) -> str:
    """With names of instances, such as sweep@0.001, as code: they would be shown as links to e-mail addresses."""
    return re.sub(r"[\w.-]+@[\w.-]*\w", r"`\g<0>`", text)


def slug(stage: str) -> str:
    """The stage's name in the letters that Prefect allows in an artifact's key."""
    return re.sub(r"[^a-z0-9]+", "-", stage.lower()).strip("-")
