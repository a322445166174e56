"""Outputs of instances that the lists in the parameters no longer ask for.

After a list became shorter, what the dropped instances made lies about. Stages that depend on the folder around it
would record the folder with it, and the lock would fit no fresh clone. Put away, it comes back from DVC's cache by
itself when the list grows again.
"""

# mypy: disable-error-code="import-untyped"

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo
from dvc.utils.serialize import load_yaml

from pipeline.project.repository import opened


def put_away(root: Path) -> list[str]:
    """Remove the outputs, recorded in dvc.lock, of matrix instances that there are no more; returns their paths.

    Only what DVC's cache has, nobody has changed, and no stage makes or names as a dependency.
    """
    if not (root / "dvc.lock").exists():
        return []
    gone = []
    with opened(root) as repo:
        stages = list(repo.index.stages)
        needed = {Path(dep.fs_path) for stage in stages for dep in stage.deps}
        made = {Path(out.fs_path) for stage in stages for out in stage.outs}
        for out in _dropped(repo, root, {stage.addressing for stage in stages}):
            path = Path(out.fs_path)
            if any(other.is_relative_to(path) for other in needed | made) or any(
                path.is_relative_to(one) for one in made
            ):
                continue
            if out.exists and not out.changed_cache() and not out.changed_checksum():
                out.remove()
                gone.append(path.relative_to(root).as_posix())
    return gone


def _dropped(repo: Repo, root: Path, present: set[str]) -> Iterator[Output]:
    """What was made by instances of stages that dvc.yaml still has."""
    kept = load_yaml(str(root / "dvc.yaml")).get("stages") or {}
    for name, entry in (load_yaml(str(root / "dvc.lock")).get("stages") or {}).items():
        stage, at, _ = name.partition("@")
        if at and name not in present and stage in kept:
            with contextlib.suppress(DvcException, KeyError):  # an entry of another kind, which no such stage has made
                yield from repo.stage_cache._create_stage(entry, wdir=str(root)).outs
