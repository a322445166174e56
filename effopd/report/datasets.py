"""What was trained and tested on: every dataset with its first prompt, and the accuracies on benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt

from effopd.files import read_json
from effopd.report.figures import Figure, data, layered, legend
from effopd.report.reading import value_of

CONTAMINATION = "contamination.json"
SPLITS = ("train", "validation", "dev", "test")


@dataclass(frozen=True)
class Described:
    """A dataset: what it was used for, how many questions of it, and the first prompt as the models saw it.

    rejected: rows that were not usable. shared: questions that are in the training data too, word for word or in part.
    merged: rows that put the same question as another.
    """

    title: str
    use: str
    questions: int
    source: str
    revision: str
    licence: str
    rejected: int
    shared: int | None
    first_prompt: str
    merged: int = 0


@dataclass(frozen=True)
class Benchmarked:
    """avg@k of a run's final weights on a benchmark, with its interval over problems."""

    run: str
    benchmark: str
    accuracy: float
    low: float
    high: float
    problems: int
    samples: int


def read_described(trained_on: Path, benchmarks: Path) -> tuple[Described, ...]:
    """What is trained on, then the benchmarks in `benchmarks`. Raises `DataError` that names the file."""
    shared = read_json(benchmarks / CONTAMINATION)
    about = read_json(trained_on)
    splits = value_of(trained_on, about, "splits")
    use = ", ".join(f"{splits[name]} {name}" for name in SPLITS if name in splits)
    first = _described(trained_on, about, use, sum(splits.values()), _shared(shared, "test"))
    found = [first]
    for path in sorted(benchmarks.glob("*.json")):
        if path.name != CONTAMINATION:
            about = read_json(path)
            found.append(_described(path, about, "benchmark", about["questions"], _shared(shared, path.stem)))
    return tuple(found)


def read_benchmarked(benchmarks: Path, results: Path, runs: Sequence[str]) -> tuple[Benchmarked, ...]:
    """The accuracies of `runs` on every dataset in `benchmarks`; none where no dataset was chosen."""
    names = [path.stem for path in sorted(benchmarks.glob("*.json")) if path.name != CONTAMINATION]
    found = []
    for name in names:
        for run in runs:
            path = results / run / name / "metrics.json"
            row = read_json(path)
            keys = ("accuracy", "low", "high", "problems", "samples")
            found.append(Benchmarked(run, value_of(path, row, "title"), *(value_of(path, row, key) for key in keys)))
    return tuple(found)


def benchmarks(rows: Sequence[Benchmarked]) -> Figure | None:
    """Accuracies with their intervals, a line for each run and benchmark; None when there are none."""
    if not rows:
        return None
    shown = [vars(row) | {"name": f"{row.benchmark}, avg@{row.samples}"} for row in rows]
    runs = list(dict.fromkeys(row.run for row in rows))
    y = alt.Y("name:N", title=None, axis=alt.Axis(labelLimit=160))
    offset = alt.YOffset("run:N", sort=runs)
    colour = alt.Color("run:N", title=None, sort=runs, legend=legend(3))
    x = alt.X("accuracy:Q", title="accuracy", scale=alt.Scale(domain=[0, 1]))
    chart = alt.Chart(data(shown))
    said = "; ".join(f"{r.run} on {r.benchmark} {r.accuracy:.3f} ({r.low:.3f}–{r.high:.3f})" for r in rows)
    return Figure(
        name="benchmarks",
        title="Benchmarks, final weights",
        caption=f"{said}. Intervals are over problems.",
        description="Accuracy of each run on each benchmark, with its interval.",
        chart=layered(
            chart.mark_rule(strokeWidth=2).encode(
                y=y, yOffset=offset, color=colour, x=alt.X("low:Q", title="accuracy"), x2="high:Q"
            ),
            chart.mark_circle(size=70, opacity=1).encode(
                y=y, yOffset=offset, color=colour, x=x, tooltip=["run:N", "name:N", "accuracy:Q", "low:Q", "high:Q"]
            ),
        ),
        rows=[vars(row) for row in rows],
        wide=True,
    )


def _described(path: Path, about: Any, use: str, questions: int, shared: int | None) -> Described:
    return Described(
        title=value_of(path, about, "title"),
        use=use,
        questions=questions,
        source=value_of(path, about, "source"),
        revision=value_of(path, about, "revision"),
        licence=value_of(path, about, "licence"),
        rejected=len(value_of(path, about, "rejected")),
        shared=shared,
        first_prompt=value_of(path, about, "first_prompt"),
        merged=about.get("merged", 0),
    )


def _shared(contamination: Any, name: str) -> int | None:
    found = contamination.get(name)
    return None if found is None else found["exact"] + found["ngram"]
