"""The plan for a project, with all that must come before it: locks of the dead, the project's check, stale outputs."""

import contextlib
from pathlib import Path

from pipeline.check import params_checked
from pipeline.plan import Plan
from pipeline.project.forecast import make_plan
from pipeline.project.rwlock import release_dead_locks
from pipeline.project.stale import put_away


def survey(
    root: Path, targets: tuple[str, ...], *, force: bool, check: bool, tidy: bool = False
) -> tuple[Plan, list[str]]:
    """The plan for the project at `root`, with the project's own check of its parameters meanwhile, and with `tidy`
    after outputs that nothing asks for any more were put away, whose paths are returned too.

    Raises PipelineError for what the check or the reading of the project complains of.
    """
    release_dead_locks(root)
    with params_checked(root) if check else contextlib.nullcontext():
        gone = put_away(root) if tidy else []
        return make_plan(root, targets, force=force), gone
