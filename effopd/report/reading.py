"""From the files that stages left to `effopd.report.results`; errors name the file, and its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from effopd.files import DataError, read_json, read_jsonl
from effopd.params.runs import RunName
from effopd.report.interventions import read_interventions
from effopd.report.results import (
    Alignment,
    Candidate,
    Checkpoint,
    LayerNorm,
    LogRow,
    MatrixUpdate,
    PathPoint,
    Paths,
    Results,
    Run,
    Spectral,
    Spectrum,
    Trigger,
)
from effopd.trajectory.layout import ABOUT, METRICS, TRIGGERS


@dataclass(frozen=True)
class Sources:
    """Where the stages leave their results."""

    models: Path
    evaluation: Path
    spectral: Path
    interventions: Path
    paths: Path
    timing: Path


def read_results(names: Sequence[RunName], taken_apart: Sequence[str], sources: Sources) -> Results:
    """Read every named run that was trained, and what was measured on it.

    taken_apart: the methods on whose updates interventions were made.
    A run that was not trained, updates that were not decomposed or taken apart, and paths that were not drawn are left
    out and listed. Raises `DataError` that names the file when no run is there, when one was not evaluated, and when
    one is damaged or has another shape.
    """
    seconds = read_json(sources.timing)
    if not isinstance(seconds, dict):
        raise DataError(
            f"{sources.timing}: expected the seconds of each run by its name, found {type(seconds).__name__}"
        )
    trained = [name for name in names if (sources.models / name.name).is_dir()]
    if not trained:
        raise DataError(f"{sources.models}: none of {', '.join(name.name for name in names)} is there; train one first")
    wanted = [sources.models / name.name for name in names] + [sources.paths]
    wanted += [sources.spectral / name.name for name in trained]
    wanted += [
        interventions_file(sources, name) for name in trained if name.rate is None and name.method in taken_apart
    ]
    missing = [path for path in wanted if not path.exists()]
    runs = tuple(_read_run(name, name.method in taken_apart, sources, seconds) for name in trained)
    paths = None if sources.paths in missing else _paths(sources.paths)
    return Results(runs, paths, tuple(path.as_posix() for path in missing))


def interventions_file(sources: Sources, name: RunName) -> Path:
    return sources.interventions / f"{name.name}.parquet"


def _read_run(name: RunName, is_taken_apart: bool, sources: Sources, seconds: Mapping[str, Any]) -> Run:
    folder, timing = sources.models / name.name, sources.timing
    log = _rows(folder / METRICS, read_jsonl(folder / METRICS), "step", "reverse_kl", "sampled_tokens")
    about = read_json(folder / ABOUT)
    triggers = folder / TRIGGERS
    if name.name not in seconds:
        raise DataError(f"{timing}: no entry for {name.name}; run the stage that gathers the seconds again")
    times = seconds[name.name]
    totals = None if times is None else _running_seconds(timing, name.name, times, log[-1]["step"])
    curve_file = sources.evaluation / name.name / "curve.json"
    spectral, apart = sources.spectral / name.name, interventions_file(sources, name)
    return Run(
        name=name.name,
        method=name.method,
        replicate=name.replicate,
        rate=name.rate,
        learning_rate=value_of(folder / ABOUT, about, "learning_rate"),
        curve=tuple(
            _checkpoint(curve_file, row, totals, {row["step"]: row["sampled_tokens"] for row in log})
            for row in _rows(curve_file, read_json(curve_file), "step", "accuracy", "low", "high", "n")
        ),
        log=tuple(
            LogRow(**{key: value_of(folder / METRICS, row, key) for key in LogRow.__annotations__}) for row in log
        ),
        triggers=tuple(_trigger(triggers, row) for row in read_jsonl(triggers)) if triggers.exists() else (),
        validation_seconds=None if times is None else sum(row.get("search_seconds", 0.0) for row in times),
        spectral=_spectral(spectral) if spectral.exists() else None,
        interventions=read_interventions(apart) if is_taken_apart and name.rate is None and apart.exists() else (),
    )


def _running_seconds(timing: Path, run: str, rows: Sequence[Mapping[str, Any]], last_step: int) -> dict[int, float]:
    """Seconds since the beginning after each step, 0 included."""
    totals = {0: 0.0}
    for row in _rows(timing, rows, "step", "seconds"):
        totals[row["step"]] = totals.get(row["step"] - 1, 0.0) + row["seconds"]
    if sorted(totals) != list(range(last_step + 1)):
        raise DataError(f"{timing}: {run}: expected seconds of steps 1 to {last_step}, found {len(totals) - 1} rows")
    return totals


def _checkpoint(
    path: Path, row: Mapping[str, Any], seconds: Mapping[int, float] | None, tokens: Mapping[int, int]
) -> Checkpoint:
    step = row["step"]
    if step and step not in tokens:
        raise DataError(f"{path}: step {step} is not in the run's {METRICS}; evaluate the run again")
    return Checkpoint(
        step=step,
        accuracy=row["accuracy"],
        low=row["low"],
        high=row["high"],
        n=row["n"],
        greedy=row.get("greedy"),
        seconds=None if seconds is None else seconds[step],
        sampled_tokens=tokens.get(step, 0),
    )


def _trigger(path: Path, row: Mapping[str, Any]) -> Trigger:
    candidates = _rows(path, value_of(path, row, "candidates"), "k", "multiplier", "score", allow_none=True)
    return Trigger(
        step=value_of(path, row, "step"),
        score=value_of(path, row, "score"),
        candidates=tuple(Candidate(row["k"], row["multiplier"], row["score"]) for row in candidates),
        accepted=value_of(path, row, "accepted"),
    )


def _spectral(folder: Path) -> Spectral:
    path = folder / "summary.json"
    summary = read_json(path)
    steps = value_of(path, summary, "steps")
    if not steps:
        raise DataError(f"{path}: no step was analysed")
    final = steps[max(steps, key=int)]
    ratios = ("spectral_norm", "spectral_frobenius_ratio", "effective_rank", "top1_norm_ratio")
    aligned = _rows(path, value_of(path, summary, "alignment"), *Alignment.__annotations__, allow_none=True)
    layers = _rows(path, value_of(path, summary, "layers"), *LayerNorm.__annotations__, allow_none=True)
    return Spectral(
        total_update_norm=value_of(path, final, "total_update_norm"),
        **{key: value_of(path, final, key) for key in ratios},
        embedding_cosine=value_of(path, value_of(path, summary, "embedding_cosine"), "mean"),
        explained_variance=value_of(path, summary, "explained_variance"),
        alignment=tuple(Alignment(**{key: row[key] for key in Alignment.__annotations__}) for row in aligned),
        layers=tuple(LayerNorm(**{key: row[key] for key in LayerNorm.__annotations__}) for row in layers),
        matrices=tuple(MatrixUpdate(**row) for row in _table(folder / "matrices.parquet", MatrixUpdate)),
        spectra=tuple(Spectrum(**row) for row in _table(folder / "spectra.parquet", Spectrum)),
    )


def _paths(path: Path) -> Paths:
    found = read_json(path)
    rows = _rows(path, value_of(path, found, "points"), *PathPoint.__annotations__)
    first, second = value_of(path, found, "explained")
    points = tuple(PathPoint(**{key: row[key] for key in PathPoint.__annotations__}) for row in rows)
    return Paths(value_of(path, found, "parameters"), (first, second), points)


def _table(path: Path, row: type) -> Sequence[Mapping[str, Any]]:
    """The columns of a parquet file that `row` has fields for."""
    columns = list(row.__annotations__)
    try:
        with pq.ParquetFile(path) as file:  # read_table would import pandas first
            if missing := set(columns) - set(file.schema_arrow.names):
                raise DataError(f"{path}: {min(missing)} is missing; run the stage that writes this file again")
            rows: list[Mapping[str, Any]] = file.read(columns=columns).to_pylist()
            return rows
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path}: not usable ({str(error).splitlines()[0]}); run the stage that writes it again"
        ) from None


def value_of(path: Path, row: Any, key: str) -> Any:
    """`row[key]` of a file. Raises `DataError` that names both when it is missing."""
    if not isinstance(row, dict) or key not in row:
        raise DataError(f"{path}: {key} is missing; run the stage that writes this file again")
    return row[key]


def _rows(path: Path, rows: Any, *keys: str, allow_none: bool = False) -> Sequence[Mapping[str, Any]]:
    """`rows`, a list that is not empty (unless `allow_none`) of objects that have all `keys`."""
    if not isinstance(rows, list) or not (rows or allow_none):
        raise DataError(f"{path}: expected rows, found {'none' if rows == [] else type(rows).__name__}")
    for number, row in enumerate(rows, start=1):
        for key in keys:
            if not isinstance(row, dict) or key not in row or (row[key] is None and not allow_none):
                raise DataError(f"{path}, row {number}: {key} is missing; run the stage that writes this file again")
    return rows
