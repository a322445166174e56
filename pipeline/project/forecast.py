"""Forecast what `dvc repro` would do, without running anything: which stages are cached, which run, and why.

The whole DAG is judged in one process. A stage is CACHED only where DVC's own comparison finds nothing changed and
every stage upstream is CACHED too, so the flow need not start a process for it. RESTORED is followed through the
run-cache: the outputs recorded there are the inputs of the next stage. Behind a stage that will run nothing can be
known: what waits for it and has not changed itself is forecast as MAYBE, since DVC keeps it cached when its new inputs
are the same bytes.
"""

# mypy: disable-error-code="import-untyped"

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dvc.dependency import Dependency, ParamsDependency
from dvc.output import Output
from dvc.repo import Repo
from dvc.stage import PipelineStage, Stage
from dvc.stage.cache import _get_cache_hash
from dvc.stage.serialize import to_single_stage_lockfile
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta
from dvc_data.hashfile.tree import Tree

from pipeline.plan import Expected, Forecast, Plan
from pipeline.project.listings import Listings
from pipeline.project.repository import opened, read_dag

LISTED = 3  # changes named in a reason before the rest is only counted


def make_plan(root: Path, targets: tuple[str, ...] = (), *, force: bool = False) -> Plan:
    """Read the project at `root` and forecast every stage that `dvc repro TARGETS` would walk.

    Reads only, apart from DVC's own hash database and the listings of code folders under `.dvc/tmp`.
    """
    with opened(root) as repo:
        dag, behind = read_dag(repo, targets)
        with repo.lock:
            oracle = _Oracle(repo)
            waves = dag.waves()
            forecasts = {}
            for name in dag.stages:
                expected, reason = oracle.judge(behind[name], force=force, steady=dag.stages[name].hints.steady)
                forecasts[name] = Forecast(name, waves[name], expected, reason)
        oracle.listings.save()
    return Plan(dag, forecasts)


@dataclass(frozen=True)
class _Content:
    """What a path will hold once the stage that writes it has been restored."""

    hash_info: HashInfo
    meta: Meta


class _Oracle:
    """Walks the stages in order and remembers which outputs will be new: the hash where it is known, else None."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.listings = Listings(Path(repo.tmp_dir) / "prefect" / "listings")
        self._hashes: dict[str, HashInfo] = {}
        self._rewritten: dict[str, tuple[Output | None, str]] = {}  # path -> output as restored, stage that writes it

    def judge(self, stage: Stage, *, force: bool, steady: bool) -> tuple[Expected, str]:
        """What will happen to the stage, and the reason. What a steady one has written counts as written again."""
        expected, reason = self._judge(stage, force=force)
        if steady and not any(out.status() for out in stage.outs):
            for out in stage.outs:
                self._rewritten.pop(out.fs_path, None)
        return expected, reason

    def _judge(self, stage: Stage, *, force: bool) -> tuple[Expected, str]:
        if force:
            return self._runs(stage, "forced")
        if stage.is_callback or stage.always_changed:
            return self._runs(stage, "always runs")
        waits_for: set[str] = set()
        changes = ["command changed"] if stage.changed_stage() else []
        restored: dict[str, _Content] = {}
        for dep in [] if stage.frozen else stage.deps:
            writers = self._writers(dep)
            if not writers:
                changes += self._dep_changes(dep)
            elif (content := self._restored(dep, writers)) is None:
                waits_for.update(stage for _, stage in writers)
            else:
                restored[dep.def_path] = content
                if content.hash_info != dep.hash_info:
                    changes.append(f"{dep} changed by {writers[0][1]}")
        if stage.cmd and not any(item.hash_info for item in [*stage.deps, *stage.outs]):
            changes = ["never run"]
        else:
            changes += [f"output {out} {what}" for out in stage.outs for what in out.status().values()]

        if waits_for:
            expected = Expected.RAN if changes else Expected.MAYBE
            return self._runs(stage, _joined([*changes, f"after {_joined(sorted(waits_for), ', ')}"]), expected)
        if not changes:
            return Expected.CACHED, "unchanged"
        entry = self._finished_run(stage, restored)
        if entry is None:
            return self._runs(stage, _joined(changes))
        self._rewritten.update({out.fs_path: (out, stage.addressing) for out in entry.outs})
        return Expected.RESTORED, _joined(changes)

    def _runs(self, stage: Stage, reason: str, expected: Expected = Expected.RAN) -> tuple[Expected, str]:
        self._rewritten.update({out.fs_path: (None, stage.addressing) for out in stage.outs})
        return expected, reason

    def _writers(self, dep: Output) -> list[tuple[str, str]]:
        """(output path, stage) of everything upstream that will be new and overlaps with this dependency."""
        return [
            (path, stage)
            for path, (_, stage) in self._rewritten.items()
            if dep.fs_path == path or _inside(dep.fs_path, path) or _inside(path, dep.fs_path)
        ]

    def _restored(self, dep: Output, writers: list[tuple[str, str]]) -> _Content | None:
        """The dependency as the run-cache will restore it, or None where that cannot be known before the run."""
        path, _ = writers[0]
        out, _ = self._rewritten[path]
        if len(writers) > 1 or out is None or _inside(path, dep.fs_path):
            return None
        if path == dep.fs_path:
            return _Content(out.hash_info, out.meta)
        found = out.get_obj(filter_info=dep.fs_path)  # a path inside a restored folder
        return None if found is None else _Content(found.hash_info, Meta())

    def _dep_changes(self, dep: Output) -> list[str]:
        """One line per change of a dependency against dvc.lock; a folder's changed files are named where known."""
        if isinstance(dep, ParamsDependency):
            return _param_changes(dep)
        if type(dep) is not Dependency or dep.protocol != "local":
            return [f"{dep} {what}" for what in dep.status().values()]
        if not dep.exists:
            return [f"{dep} is missing"]
        now = self._hash(dep)
        if not dep.hash_info:
            return [f"{dep} is a new dependency"]
        if now == dep.hash_info:
            return []
        files = self.listings.changes(str(dep.hash_info.value), str(now.value)) if now.isdir else []
        return [f"{dep}/{file} {what}" for file, what in files] or [f"{dep} changed"]

    def _hash(self, dep: Output) -> HashInfo:
        """The hash of what lies in the workspace; a folder that several stages depend on is walked once."""
        if dep.fs_path not in self._hashes:
            _, _, obj = dep._build(
                dep.local_cache, dep.fs_path, dep.fs, dep.hash_name, ignore=dep.dvcignore, dry_run=True
            )
            dep_hash: HashInfo = obj.hash_info
            if isinstance(obj, Tree):
                self.listings.add(str(dep_hash.value), {"/".join(key): str(file.value) for key, _, file in obj})
            self._hashes[dep.fs_path] = dep_hash
        return self._hashes[dep.fs_path]

    def _finished_run(self, stage: Stage, restored: Mapping[str, _Content]) -> Stage | None:
        """The finished run that DVC would check out instead of running, as a stage with its outputs' hashes."""
        if not _run_cached_kind(stage):
            return None
        fresh: Stage = stage.dvcfile.stages[stage.name]  # a second copy, safe to change
        for dep in fresh.deps:
            known = restored.get(dep.def_path)
            if known is not None:
                dep.hash_info, dep.meta = known.hash_info, known.meta
            elif not dep.exists:
                return None
            else:
                dep.save()
        cache = self.repo.stage_cache
        unchanged = not stage.changed_stage() and all(
            new.hash_info == old.hash_info for new, old in zip(fresh.deps, stage.deps, strict=True)
        )
        if unchanged and all(out.hash_info for out in fresh.outs):
            found = to_single_stage_lockfile(fresh)
        else:
            key = _get_cache_hash(to_single_stage_lockfile(fresh), key=True)
            folder = Path(cache.cache_dir) / key[:2] / key
            if not folder.is_dir():
                return None
            newest = max(folder.iterdir(), key=os.path.getmtime)
            found = cache._load_cache(key, newest.name)
        if not found:
            return None
        entry: Stage = cache._create_stage(found, wdir=stage.wdir)
        return entry if entry.outs_cached() else None


def _run_cached_kind(stage: Stage) -> bool:
    """Whether DVC keeps finished runs of such a stage at all (its own rule, without hashing the dependencies)."""
    return (
        isinstance(stage, PipelineStage)
        and not stage.frozen
        and bool(stage.deps and stage.outs)
        and all(dep.protocol == "local" and dep.def_path for dep in stage.deps)
        and all(out.protocol == "local" and out.is_in_repo and not out.persist for out in stage.outs)
    )


def _param_changes(dep: ParamsDependency) -> list[str]:
    """`evaluate.samples: 4 -> 8` for each parameter that differs from dvc.lock."""
    status = dep.status().get(str(dep), {})
    if isinstance(status, str):
        return [f"{dep} {status}"]
    old = dep.hash_info.value if dep.hash_info and isinstance(dep.hash_info.value, dict) else {}
    new = dep.read_params()
    return [line for key in status for line in _value_changes(key, old.get(key, ...), new.get(key, ...))]


def _value_changes(key: str, old: object, new: object) -> list[str]:
    """A changed section is followed down to the values that differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*new, *(key for key in old if key not in new)]
        return [
            line
            for inner in keys
            if old.get(inner, ...) != new.get(inner, ...)
            for line in _value_changes(f"{key}.{inner}", old.get(inner, ...), new.get(inner, ...))
        ]
    if old is ...:
        return [f"{key} is new"]
    return [f"{key} is gone"] if new is ... else [f"{key}: {old} -> {new}"]


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _joined(items: list[str], separator: str = "; ") -> str:
    """The first few items, one line, and how many more there are."""
    more = len(items) - LISTED
    return separator.join(items[:LISTED]) + (f"{separator}and {more} more" if more > 0 else "")
