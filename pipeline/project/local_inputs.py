"""Inputs that lie only on this machine: what stages depend on though neither git nor DVC keeps it.

A copy of the workspace gets them too, or an override could not be tried on one's own data.
"""

# mypy: disable-error-code="import-untyped"

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from dvc.fs import localfs
from dvc.repo import Repo

from pipeline.project.repository import opened

BROUGHT = Path(".dvc", "tmp", "prefect", "local-inputs")  # what a copy holds of them, one path a line


def bring_local_inputs(origin: Path, copy: Path, kept_by_git: set[str]) -> None:
    """Give the copy each dependency of its stages that exists in `origin` and is neither in git nor a DVC output.

    Which these are follows from the copy's own dvc.yaml and parameters. What an earlier run brought and `origin` no
    longer has is removed. A file is cloned where the file system can do that, else copied, so that no stage reaches the
    original; a symbolic link stays one, to the same target.
    """
    with opened(copy) as repo:
        wanted, outputs = _inputs_and_outputs(repo, copy)
    with opened(origin) as repo:
        names = sorted(
            name for name in _files(repo, origin, wanted) if name not in kept_by_git and not _within(name, outputs)
        )
    record = copy / BROUGHT
    before = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("".join(f"{name}\n" for name in sorted({*before, *names})), encoding="utf-8")
    for name in set(before) - set(names) - kept_by_git:
        _remove(copy / name)
    for name in names:
        _bring(origin / name, copy / name)
    record.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _inputs_and_outputs(repo: Repo, root: Path) -> tuple[set[str], set[str]]:
    """Paths inside the project, relative to it, that any stage reads and that any stage or `dvc add` writes."""

    def inside(items: Iterable[object]) -> set[str]:
        paths = {Path(item.fs_path) for item in items if item.protocol == "local"}  # type: ignore[attr-defined]
        return {path.relative_to(root).as_posix() for path in paths if path.is_relative_to(root)}

    stages = list(repo.index.stages)
    return inside(dep for stage in stages for dep in stage.deps), inside(out for stage in stages for out in stage.outs)


def _files(repo: Repo, root: Path, wanted: set[str]) -> Iterator[str]:
    """Every file of the wanted paths that DVC does not ignore."""
    for name in wanted:
        path = root / name
        if path.is_dir():
            for found in repo.dvcignore.find(localfs, str(path)):
                yield Path(found).relative_to(root).as_posix()
        elif os.path.lexists(path):
            yield name


def _within(name: str, outputs: set[str]) -> bool:
    return name in outputs or any(parent.as_posix() in outputs for parent in Path(name).parents)


def _bring(source: Path, target: Path) -> None:
    if source.is_symlink():
        link = os.path.join(os.path.realpath(source.parent), os.readlink(source))  # noqa: PTH115,PTH118  (no normalising)
        if target.is_symlink() and os.readlink(target) == link:  # noqa: PTH115
            return
        target.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(link)
        return
    if target.is_file() and not target.is_symlink() and _stamp(target) == _stamp(source):
        return
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        localfs.reflink(str(source), str(target))
    except OSError:
        shutil.copyfile(source, target)
    shutil.copystat(source, target)


def _remove(path: Path) -> None:
    """Remove the file, and the folders that are empty without it."""
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the first that is not empty
        for folder in path.parents:
            folder.rmdir()


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
