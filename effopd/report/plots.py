"""Tables for `dvc plots`: for each method the medians over its replicates, so that they fit any number of these.

A table holds one method: in a table for all of them a run that ends sooner would have empty cells, which DVC draws as
zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

from effopd.report.figures import Row, save_csv
from effopd.report.mechanism import Parts
from effopd.report.results import Results, Run

Points = Iterable[tuple[float, float | None]]


def plots(results: Results, apart: Parts, folder: Path) -> None:
    """Write a table for each method.

    learning_curve_METHOD.csv: accuracy by step. alignment_METHOD.csv: alignment by share of training. For the methods
    that were taken apart also alpha_METHOD.csv: accuracy by α, and rescaling_METHOD.csv: accuracy of the rescaled
    checkpoint by share of training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for method in results.methods:
        runs = results.of(method)
        save_csv(folder / f"learning_curve_{method}.csv", _medians(runs, "step", method, _accuracy))
        save_csv(folder / f"alignment_{method}.csv", _medians(runs, "progress", method, _alignment))
    for method, one in apart.items():
        line = sorted(one.rows("alpha"), key=lambda row: row.alpha or 0)
        save_csv(folder / f"alpha_{method}.csv", [{"alpha": r.alpha, method: one.accuracy(r).value} for r in line])
        early = sorted(one.rows("rescaling", beta=1.0), key=lambda row: row.progress or 0)
        rows = [{"progress": r.progress, method: one.accuracy(r).value} for r in early]
        save_csv(folder / f"rescaling_{method}.csv", rows)


def _medians(runs: Iterable[Run], axis: str, name: str, points: Callable[[Run], Points]) -> list[Row]:
    values: dict[float, list[float]] = {}
    for run in runs:
        for at, value in points(run):
            if value is not None:
                values.setdefault(at, []).append(value)
    return [{axis: at, name: median(found)} for at, found in sorted(values.items())]


def _accuracy(run: Run) -> Points:
    return ((point.step, point.accuracy) for point in run.curve)


def _alignment(run: Run) -> Points:
    return ((row.progress, row.top_k_cosine) for row in (run.spectral.alignment if run.spectral else ()))
