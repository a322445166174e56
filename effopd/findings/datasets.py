"""What was trained and tested on: every dataset with its first prompt, and the accuracies on benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from effopd.files import read_json
from effopd.findings.results import Benchmarked
from effopd.records import record, value_of

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


def read_described(trained_on: Path, benchmarks: Path) -> tuple[Described, ...]:
    """What is trained on, then the benchmarks in `benchmarks`. Raises `DataError` that names the file."""
    splits = value_of(trained_on, read_json(trained_on), "splits")
    use = ", ".join(f"{splits[name]} {name}" for name in SPLITS if name in splits)
    shared = read_json(benchmarks / CONTAMINATION)
    first = _described(trained_on, {"use": use, "questions": sum(splits.values())}, shared.get("test"))
    return first, *(_described(path, {"use": "benchmark"}, shared.get(path.stem)) for path in _specs(benchmarks))


def read_benchmarked(benchmarks: Path, results: Path, runs: Sequence[str]) -> tuple[Benchmarked, ...]:
    """The accuracies of `runs` on every dataset in `benchmarks`; none where no dataset was chosen."""
    found = []
    for name in (path.stem for path in _specs(benchmarks)):
        for run in runs:
            path = results / run / name / "metrics.json"
            row = read_json(path)
            found.append(record(path, Benchmarked, row | {"run": run, "benchmark": value_of(path, row, "title")}))
    return tuple(found)


def _specs(benchmarks: Path) -> list[Path]:
    return [path for path in sorted(benchmarks.glob("*.json")) if path.name != CONTAMINATION]


def _described(path: Path, use: dict[str, str | int], contamination: dict[str, int] | None) -> Described:
    about = read_json(path)
    shared = None if contamination is None else contamination["exact"] + contamination["ngram"]
    return record(path, Described, about | use | {"rejected": len(value_of(path, about, "rejected")), "shared": shared})
