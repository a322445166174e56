"""Tables for `dvc plots`: a column for each method, medians over replicates, so that they fit any number of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

from effopd.report.figures import Row, save_csv
from effopd.report.results import Results, Run

Points = Iterable[tuple[float, float | None]]


def plots(results: Results, folder: Path) -> None:
    """Write dvc_learning_curves.csv (accuracy by step) and dvc_alignment.csv (alignment by share of training)."""
    folder.mkdir(parents=True, exist_ok=True)
    save_csv(folder / "dvc_learning_curves.csv", _table(results, "step", _accuracy))
    save_csv(folder / "dvc_alignment.csv", _table(results, "progress", _alignment))


def _table(results: Results, axis: str, points: Callable[[Run], Points]) -> list[Row]:
    values: dict[float, dict[str, list[float]]] = {}
    for method in results.methods:
        for run in results.of(method):
            for at, value in points(run):
                if value is not None:
                    values.setdefault(at, {}).setdefault(method, []).append(value)
    return [
        {axis: at} | {method: median(columns[method]) if method in columns else None for method in results.methods}
        for at, columns in sorted(values.items())
    ]


def _accuracy(run: Run) -> Points:
    return ((point.step, point.accuracy) for point in run.curve)


def _alignment(run: Run) -> Points:
    return ((row.progress, row.top_k_cosine) for row in (run.spectral.alignment if run.spectral else ()))
