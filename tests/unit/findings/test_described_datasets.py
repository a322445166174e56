"""Datasets and benchmarks: read from what the stages write, first prompts and intervals as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from effopd.files import DataError, read_json, write_json
from effopd.findings.reading import read_benchmarked, read_described
from effopd.findings.results import Benchmarked, Described

ABOUT = {"title": "Deep Maths", "licence": "MIT", "source": "some/one", "revision": "a" * 40, "rejected": [{"row": 3}]}
FOUND = {"title": "AIME 2024", "accuracy": 0.25, "low": 0.1, "high": 0.4, "problems": 30, "samples": 32}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    splits = {"train": 6, "test": 2}
    write_json(tmp_path / "about.json", ABOUT | {"splits": splits, "first_prompt": "What is 1?"})
    shared: dict[str, Any] = {"test": {"exact": 1, "ngram": 2}, "aime24": {"exact": 0, "ngram": 0}}
    write_json(tmp_path / "benchmarks/contamination.json", shared)
    write_json(tmp_path / "benchmarks/aime24.json", ABOUT | {"questions": 30, "first_prompt": "Find n."})
    for run in ("opd-0", "effopd-0"):
        write_json(tmp_path / "results" / run / "aime24/metrics.json", FOUND)
    return tmp_path


def test_the_training_data_comes_first_with_its_prompt_and_what_it_shares(data: Path) -> None:
    trained_on, benchmark = read_described(data / "about.json", data / "benchmarks")
    use = "6 train, 2 test"
    assert trained_on == Described("Deep Maths", use, 8, "some/one", "a" * 40, "MIT", 1, 3, "What is 1?")
    assert (benchmark.use, benchmark.questions, benchmark.shared) == ("benchmark", 30, 0)
    assert benchmark.first_prompt == "Find n."
    write_json(data / "about.json", read_json(data / "about.json") | {"merged": 7})
    assert read_described(data / "about.json", data / "benchmarks")[0].merged == 7


def test_every_run_and_benchmark_is_read(data: Path) -> None:
    rows = read_benchmarked(data / "benchmarks", data / "results", ["opd-0", "effopd-0"])
    assert rows[1] == Benchmarked("effopd-0", "AIME 2024", 0.25, 0.1, 0.4, 30, 32) and len(rows) == 2
    (data / "benchmarks/aime24.json").unlink()
    assert read_benchmarked(data / "benchmarks", data / "results", ["opd-0"]) == ()


def test_a_benchmark_that_was_not_run_is_named(data: Path) -> None:
    with pytest.raises(DataError, match=r"rl/aime24/metrics\.json"):
        read_benchmarked(data / "benchmarks", data / "results", ["rl"])


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        ("about.json", [], r"about\.json: splits is missing"),
        ("about.json", ABOUT | {"splits": {"train": "many"}}, r"about\.json, train: .*, found 'many'"),
        ("benchmarks/contamination.json", {"test": {"exact": 1}}, r"contamination\.json, test: ngram is missing"),
        ("benchmarks/contamination.json", [1], r"contamination\.json: .*, found \[1\]"),
        ("benchmarks/aime24.json", [], r"aime24\.json: rejected is missing"),
        ("benchmarks/aime24.json", ABOUT, r"aime24\.json: questions is missing"),
    ],
)
def test_a_damaged_description_is_named(data: Path, file: str, values: Any, said: str) -> None:
    write_json(data / file, values)
    with pytest.raises(DataError, match=said):
        read_described(data / "about.json", data / "benchmarks")
