"""The DAG of a DVC project and what its stages ask of the orchestrator; DVC itself is not needed to look at it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from pipeline.errors import PipelineError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Hints:
    """What a stage tells the orchestrator under `meta: {prefect: {...}}` in dvc.yaml; DVC itself ignores it.

    tags: shown on the task, and usable for Prefect's tag concurrency limits.
    retries, retry_delay: how often to try again after a failure that a retry can cure, and the seconds in between.
    timeout: seconds (or `"90m"`, `"12h"`) after which the stage is stopped and counted as failed; None is no limit.
    progress: a file to which the stage appends one JSON object per line while it works.
    steady: it writes the same bytes whenever it succeeds, as a check does. A plan counts on it, a run looks.
    """

    tags: tuple[str, ...] = ()
    retries: int = 2
    retry_delay: float = 5.0
    timeout: float | None = None
    progress: str | None = None
    steady: bool = False


@dataclass(frozen=True)
class StageNode:
    """One stage instance: its name as `dvc repro` takes it, the names of the stages it needs, and its hints."""

    name: str
    upstream: tuple[str, ...]
    hints: Hints


@dataclass(frozen=True)
class Dag:
    """The chosen stage instances, keyed by name, every stage after all that it needs."""

    stages: Mapping[str, StageNode]

    def waves(self) -> dict[str, int]:
        """The earliest wave (from 0) in which each stage can run when nothing limits parallelism."""
        wave: dict[str, int] = {}
        for name, node in self.stages.items():
            wave[name] = 1 + max((wave[up] for up in node.upstream), default=-1)
        return wave


def read_hints(stage: str, meta: object) -> Hints:
    """The hints of one stage from its `meta`, which DVC has interpolated already. Unknown or bad keys are refused."""
    hints = meta.get("prefect") if isinstance(meta, Mapping) else None
    if hints is None:
        return Hints()
    where = f"dvc.yaml: stages.{stage}.meta.prefect"
    if not isinstance(hints, Mapping):
        raise PipelineError(f"{where}: expected a mapping, got {hints!r}")
    known = {field.name for field in fields(Hints)}
    for key in hints:
        if key not in known:
            raise PipelineError(f"{where}.{key}: unknown hint; known are {', '.join(sorted(known))}")
    tags, progress, retries = hints.get("tags", []), hints.get("progress"), hints.get("retries", Hints.retries)
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise PipelineError(f"{where}.tags: expected a list of strings, got {tags!r}")
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        raise PipelineError(f"{where}.retries: expected a whole number from 0, got {retries!r}")
    if progress is not None and not isinstance(progress, str):
        raise PipelineError(f"{where}.progress: expected the path of a file, got {progress!r}")
    timeout, steady = hints.get("timeout"), hints.get("steady", False)
    if not isinstance(steady, bool):
        raise PipelineError(f"{where}.steady: expected true or false, got {steady!r}")
    return Hints(
        tags=tuple(tags),
        retries=retries,
        retry_delay=seconds(hints.get("retry_delay", Hints.retry_delay), f"{where}.retry_delay"),
        timeout=None if timeout is None else seconds(timeout, f"{where}.timeout"),
        progress=progress,
        steady=steady,
    )


def seconds(value: object, where: str) -> float:
    """A duration in seconds from a number or from text such as `90`, `90s`, `15m`, `2h`, `1d`."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", value.strip())):
        return float(match[1]) * UNITS[match[2] or "s"]
    raise PipelineError(f"{where}: expected seconds or a duration like 90s, 15m, 2h, got {value!r}")
