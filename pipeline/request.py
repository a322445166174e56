"""What a run is asked to do: the words of the form and of the command line, read once."""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.overrides import Override, parse_overrides

BUSY = ("wait", "refuse")


@dataclass(frozen=True)
class Request:
    """One run of a project.

    root: the folder of the project.
    targets: stages to reproduce with all that they need; none means everything in dvc.yaml.
    overrides: parameters for this run only, which then happens in a copy of the workspace.
    experiment: the name of such a copy and of the DVC experiment that it becomes; empty derives one from the overrides.
    force: run every stage even if nothing changed.
    max_parallel: how many stages may run at the same time.
    wait: for another run that uses the workspace; else refuse to start.
    share: fetch from the DVC remote first, push to it afterwards.
    """

    root: Path
    targets: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    experiment: str = ""
    force: bool = False
    max_parallel: int = 2
    wait: bool = True
    share: bool = False


def read_request(
    workspace: str,
    targets: str = "",
    overrides: str = "",
    experiment: str = "",
    *,
    force: bool = False,
    max_parallel: int = 2,
    busy: str = "wait",
    share: bool = False,
) -> Request:
    """The request behind the flat fields of the form. Raises PipelineError for one that makes no sense."""
    if max_parallel < 1:
        raise PipelineError(f"max_parallel: expected a whole number from 1, got {max_parallel}")
    if busy not in BUSY:
        raise PipelineError(f"busy: expected one of {', '.join(BUSY)}, got {busy!r}")
    return Request(
        root=Path(workspace).resolve(),
        targets=tuple(filter(None, re.split(r"[\s,]+", targets))),
        overrides=parse_overrides(overrides),
        experiment=experiment.strip(),
        force=force,
        max_parallel=max_parallel,
        wait=busy == "wait",
        share=share,
    )
