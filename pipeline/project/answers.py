"""Which function answers which question of `pipeline.dvc_process`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.project.diffs import diffs
from pipeline.project.local_inputs import bring_local_inputs
from pipeline.project.lockfile import reorder
from pipeline.project.remote import check_remote
from pipeline.project.rwlock import release_dead_locks
from pipeline.project.sharing import share_cache
from pipeline.project.stale import put_away
from pipeline.project.survey import survey


def answer(question: str, asked: Mapping[str, Any]) -> object:
    """Plain values for JSON. Raises PipelineError for what the user is to mend."""
    match question:
        case "plan":
            plan, gone = survey(
                Path(asked["root"]),
                tuple(asked["targets"]),
                force=asked["force"],
                check=asked["check"],
                tidy=asked["tidy"],
            )
            return [plan.to_json(), gone]
        case "put away":
            return put_away(Path(asked["root"]))
        case "bring local inputs":
            bring_local_inputs(Path(asked["origin"]), Path(asked["copy"]), set(asked["kept_by_git"]))
        case "share cache":
            share_cache(Path(asked["origin"]), Path(asked["copy"]))
        case "check remote":
            check_remote(Path(asked["root"]))
        case "release dead locks":
            release_dead_locks(Path(asked["root"]))
        case "order lock":
            reorder(Path(asked["root"]), asked["before"], asked["dag"])
        case "diffs":
            return diffs(Path(asked["root"]))
        case _:
            raise AssertionError(question)
    return None
