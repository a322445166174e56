"""Tables for `dvc plots`: for each method the medians over its replicates, so that they fit any number of these.

A table holds one method: in a table for all of them a run that ends sooner would have empty cells, which DVC draws as
zeros.
"""

from __future__ import annotations

from pathlib import Path

from effopd.findings.estimates import aligned
from effopd.findings.evidence import Evidence
from effopd.report.figures import Row, medians, save_csv


def plots(evidence: Evidence, folder: Path) -> None:
    """Write a table for each method.

    learning_curve_METHOD.csv: accuracy by step. alignment_METHOD.csv: alignment by share of training. For the methods
    that were taken apart also alpha_METHOD.csv: accuracy by α, and rescaling_METHOD.csv: accuracy of the rescaled
    checkpoint by share of training.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, axis: str, method: str, points: list[tuple[float, float]]) -> None:
        rows: list[Row] = [{axis: at, method: value} for at, value in sorted(points)]
        save_csv(folder / f"{name}_{method}.csv", medians(rows, (axis,), (method,)))

    for method in evidence.results.methods:
        runs = evidence.results.of(method)
        write("learning_curve", "step", method, [(point.step, point.accuracy) for run in runs for point in run.curve])
        write("alignment", "progress", method, [point for run in runs for point in aligned(run)])
    for method, one in evidence.apart.items():
        for name, axis, rows in (
            ("alpha", "alpha", one.rows("alpha")),
            ("rescaling", "progress", one.rows("rescaling", beta=1.0)),
        ):
            write(name, axis, method, [(getattr(row, axis), one.accuracy(row).value) for row in rows])
