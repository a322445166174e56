"""From the files that stages left to `effopd.findings.results`; errors name the file, its row and the key."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

from effopd.files import DataError, read_json, read_jsonl
from effopd.findings import results as kinds
from effopd.findings.results import (
    Benchmarked,
    Checkpoint,
    Described,
    Intervened,
    LogRow,
    Results,
    Run,
    Spectral,
    TimedStep,
)
from effopd.params.runs import RunName
from effopd.records import read_table, record, records, value_of
from effopd.trajectory.layout import ABOUT, METRICS, TRIGGERS

PATHS, TIMING, CONTAMINATION = "paths.json", "timing.json", "contamination.json"
COUNTED, TIMED = ("sampled_tokens", "teacher_tokens", "flops"), ("seconds", "cpu_seconds", "teacher_cpu_seconds")
Measured = Literal["spectral", "paths", "timing"]
SPLITS = ("train", "validation", "dev", "test")


@dataclass(frozen=True)
class Overlap:
    """Questions that are in the training data too: word for word, and in part."""

    exact: int
    ngram: int


def read_results(
    names: Sequence[RunName],
    taken_apart: Sequence[str],
    models: Path,
    reports: Path,
    left_out: Collection[Measured] = (),
) -> Results:
    """Read every named run that was trained, and what was measured on it.

    taken_apart: the methods on whose updates interventions were made. models, reports: where the stages leave theirs.
    left_out: what is not looked at, though it may be there: of other runs, or of these as they were before.
    A run that was not trained, updates that were not decomposed or taken apart, and paths that were not drawn are left
    out and listed. Raises `DataError` that names the file when no run is there, when one was not evaluated, and when
    one is damaged or has another shape.
    """
    trained = [name for name in names if (models / name.name).is_dir()]
    if not trained:
        raise DataError(f"{models}: none of {', '.join(name.name for name in names)} is there; train one first")
    apart = [name for name in trained if name.rate is None and name.method in taken_apart]
    decomposed = [] if "spectral" in left_out else trained
    wanted = [models / name.name for name in names] + ([] if "paths" in left_out else [reports / PATHS])
    wanted += [reports / "spectral" / name.name for name in decomposed]
    wanted += [reports / "interventions" / f"{name.name}.parquet" for name in apart]
    untimed: dict[str, None] = dict.fromkeys(name.name for name in names)
    seconds = untimed if "timing" in left_out else read_json(reports / TIMING)
    runs = tuple(_read_run(name, name in decomposed, name in apart, models, reports, seconds) for name in trained)
    paths = reports / PATHS
    plane = record(paths, kinds.Paths, read_json(paths)) if paths in wanted and paths.exists() else None
    return Results(runs, plane, tuple(path.as_posix() for path in wanted if not path.exists()))


def read_versions(names: Sequence[RunName], models: Path) -> dict[str, str]:
    """What the named runs were trained with, by package; several versions where runs differ."""
    found: dict[str, dict[str, None]] = {}
    for about in (models / name.name / ABOUT for name in names):
        if about.exists():
            versions = record(about, dict[str, str], value_of(about, read_json(about), "versions"))
            for package, version in versions.items():
                found.setdefault(package, {})[version] = None
    return {package: ", ".join(several) for package, several in found.items()}


def read_interventions(path: Path) -> tuple[Intervened, ...]:
    """The interventions on one run, base and trained model among them."""
    found = read_table(path, Intervened)
    if {len(row.scores) for row in found} != {found[0].n} or {0.0, 1.0} - {row.alpha for row in found}:
        raise DataError(f"{path}: expected base and trained model, each scored on {found[0].n} problems")
    return found


def read_described(trained_on: Path, benchmarks: Path) -> tuple[Described, ...]:
    """What is trained on, then the benchmarks in `benchmarks`. Raises `DataError` that names the file."""
    splits = record(trained_on, dict[str, int], value_of(trained_on, read_json(trained_on), "splits"))
    use = ", ".join(f"{splits[name]} {name}" for name in SPLITS if name in splits)
    overlaps = record(benchmarks / CONTAMINATION, dict[str, Overlap], read_json(benchmarks / CONTAMINATION))
    first = _described(trained_on, {"use": use, "questions": sum(splits.values())}, overlaps.get("test"))
    return first, *(_described(path, {"use": "benchmark"}, overlaps.get(path.stem)) for path in _specs(benchmarks))


def read_benchmarked(benchmarks: Path, results: Path, runs: Sequence[str]) -> tuple[Benchmarked, ...]:
    """The accuracies of `runs` on every dataset in `benchmarks`; none where no dataset was chosen."""
    found = []
    for name in (path.stem for path in _specs(benchmarks)):
        for run in runs:
            path = results / run / name / "metrics.json"
            row = read_json(path)
            found.append(record(path, Benchmarked, row | {"run": run, "benchmark": value_of(path, row, "title")}))
    return tuple(found)


def _read_run(
    name: RunName, is_decomposed: bool, is_taken_apart: bool, models: Path, reports: Path, seconds: Any
) -> Run:
    folder = models / name.name
    log = records(folder / METRICS, LogRow, read_jsonl(folder / METRICS))
    steps = value_of(reports / TIMING, seconds, name.name)
    timed = None if steps is None else _timed(reports / TIMING, name.name, steps, log[-1].step)
    triggers, spectral = folder / TRIGGERS, reports / "spectral" / name.name
    interventions = reports / "interventions" / f"{name.name}.parquet"
    return Run(
        name=name.name,
        method=name.method,
        replicate=name.replicate,
        rate=name.rate,
        learning_rate=value_of(folder / ABOUT, read_json(folder / ABOUT), "learning_rate"),
        curve=_curve(reports / "evaluation" / name.name / "curve.json", log, timed),
        log=log,
        triggers=records(triggers, kinds.Trigger, read_jsonl(triggers)) if triggers.exists() else (),
        timing=timed,
        spectral=_spectral(spectral) if is_decomposed and spectral.exists() else None,
        interventions=read_interventions(interventions) if is_taken_apart and interventions.exists() else (),
    )


def _timed(path: Path, run: str, rows: Any, last_step: int) -> tuple[TimedStep, ...]:
    found = records(path, TimedStep, rows)
    if [row.step for row in found] != list(range(1, last_step + 1)):
        raise DataError(f"{path}: {run}: expected seconds of steps 1 to {last_step}, found {len(found)} rows")
    return found


def _curve(path: Path, log: Sequence[LogRow], timed: Sequence[TimedStep] | None) -> tuple[Checkpoint, ...]:
    """The learning curve, with what had been spent at each checkpoint."""
    spent: dict[int, dict[str, Any]] = {0: {}}
    spent |= {row.step: {name: getattr(row, name) for name in COUNTED} for row in log}
    for name in TIMED if timed else ():
        for step, total in enumerate(accumulate((getattr(row, name) for row in timed or ()), initial=0.0)):
            spent[step][name] = total
    points = records(path, Checkpoint, read_json(path))
    if strange := [point.step for point in points if point.step not in spent]:
        raise DataError(f"{path}: step {strange[0]} is not in the run's {METRICS}; evaluate the run again")
    return tuple(replace(point, **spent[point.step]) for point in points)


def _spectral(folder: Path) -> Spectral:
    """The averages at the last step that was analysed, and what is told of all steps."""
    path = folder / "summary.json"
    summary = read_json(path)
    steps = record(path, dict[int, dict[str, Any]], value_of(path, summary, "steps"))
    if not steps:
        raise DataError(f"{path}: no step was analysed")
    found = summary | steps[max(steps)]
    found["embedding_cosine"] = value_of(path, value_of(path, summary, "embedding_cosine"), "mean")
    found["matrices"] = read_table(folder / "matrices.parquet", kinds.MatrixUpdate)
    found["spectra"] = read_table(folder / "spectra.parquet", kinds.Spectrum)
    return record(path, Spectral, found)


def _specs(benchmarks: Path) -> list[Path]:
    return [path for path in sorted(benchmarks.glob("*.json")) if path.name != CONTAMINATION]


def _described(path: Path, use: dict[str, str | int], overlap: Overlap | None) -> Described:
    about = read_json(path)
    rejected = len(value_of(path, about, "rejected"))
    shared = None if overlap is None else overlap.exact + overlap.ngram
    return record(path, Described, about | use | {"rejected": rejected, "shared": shared})
