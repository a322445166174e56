"""Files as people have them: text as it stands in CSV, arrays and byte order marks, shards; and limits in any unit."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from effopd.datasets import catalogue
from effopd.datasets.load import local_copy, read_file, read_local
from effopd.datasets.own import read_own
from effopd.datasets.rows import read_examples
from effopd.datasets.spec import read_spec, spec_file
from effopd.files import DataError
from effopd.tasks.code import CodeTests

CELLS = [
    "24089154938208861744", "00029", "True", "FALSE", "12:30", "2026-01-31", "1e400", "0.10", "1_000", "+7", "NaN",
    "-0", "1.", ".5", "١٢", "0x1F", " 5", "a,b", 'say "no"', "two\nlines", "ß∑", "1,234", "3%", "NA", "None", "null",
    "\\frac{1}{2}", "'",
]  # fmt: skip


def rows_of(path: Path) -> list[Any]:
    return [row for _, row in read_file(path)]


@pytest.mark.parametrize("cells", [*([cell] for cell in CELLS), ["True", "False"], ["1", "02"], CELLS])
def test_cells_of_csv_are_text_character_by_character(tmp_path: Path, cells: list[str]) -> None:
    """A column of one kind too, whose kind could be guessed."""
    path = tmp_path / "mine.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["prompt", "answer", "task"], *(["x?", cell, "exact"] for cell in cells)])
    assert [row["answer"] for row in rows_of(path)] == cells
    assert [example.answer for example in read_own(path)] == [cell.strip() for cell in cells]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_of_any_program_is_read_alike(tmp_path: Path, separator: str, end: str, mark: str) -> None:
    lines = [["prompt", "answer", "task"], ["1+1?", "2", "math"], ["7-7?", "00", "math"]]
    text = mark + end.join(separator.join(line) for line in lines) + end
    (tmp_path / "mine.csv").write_bytes(text.encode())
    assert [example.answer for example in read_own(tmp_path / "mine.csv")] == ["2", "00"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt,answer,task\n1+1?,2\n", "row 1: 2 cells, but the header has 3"),
        ("prompt,answer,task\na?,2,math\n1+1?,2,math,x\n", "row 2: 4 cells, but the header has 3"),
        ("prompt,answer,answer\n1+1?,2,3\n", "the column 'answer' is there twice"),
        ("prompt,answer,task\n", "no rows"),
        ("", "no rows"),
        ('prompt,answer,task\n"1+1?,2,math\n', "not a readable CSV file"),
        ("prompt,answer,task\n1+1?,,math\n", "row 1: 'answer' is missing"),
        ("prompt,answer,task,\n1+1?,2,math,7\n", "row 1: unknown column ''"),
    ],
)
def test_csv_with_a_mistake_is_refused_in_a_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_own(tmp_path / "mine.csv")
    assert message in str(caught.value) and "mine.csv" in str(caught.value) and "\n" not in str(caught.value)


ROWS: list[dict[str, Any]] = [{"prompt": f"{i}+1?", "answer": str(i + 1), "task": "math"} for i in range(5)]
LAYOUTS: dict[str, Callable[[], bytes]] = {
    "lines.jsonl": lambda: b"".join(json.dumps(row).encode() + b"\n" for row in ROWS),
    "lines.json": lambda: b"".join(json.dumps(row).encode() + b"\n" for row in ROWS),
    "marked.jsonl": lambda: b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(row).encode() for row in ROWS),
    "marked.json": lambda: b"\xef\xbb\xbf" + json.dumps(ROWS).encode(),
    "array.json": lambda: json.dumps(ROWS).encode(),
    "array.jsonl": lambda: json.dumps(ROWS).encode() + b"\n",
    "pretty.json": lambda: json.dumps(ROWS, indent=2).encode(),
    "object.json": lambda: json.dumps({"data": ROWS}, indent=1).encode(),
    "spaced.jsonl": lambda: b"\n\n".join(json.dumps(row).encode() for row in ROWS) + b"\n\n",
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_json_comes_in_lines_or_in_an_array(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(LAYOUTS[name]())
    assert rows_of(tmp_path / name) == ROWS
    assert [example.answer for example in read_own(tmp_path / name)] == [row["answer"] for row in ROWS]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.json", "[]", "no rows"),
        ("x.json", '[{"prompt": 1},', "x.json: not valid JSON"),
        ("x.json", '[1, {"prompt": "1+1?", "answer": "2", "task": "math"}]', "row 1: not a JSON object"),
        ("x.json", "", "no rows"),
        ("x.jsonl", '["prompt"]\n', "row 1: not a JSON object"),
        ("x.jsonl", '\ufeff{"prompt"\n', "row 1: not valid JSON"),
        ("x.json", '{"prompt": "1+1?",\n "task": "math"}', "row 1: 'answer' is missing"),
    ],
)
def test_json_with_a_mistake_is_refused_in_a_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_own(tmp_path / name)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_numbers_of_json_keep_their_digits(tmp_path: Path) -> None:
    written = ["0.10", "2.50", "1e-7", "24089154938208861744", "24089154938208861744.25", "-0.0", "12", "7" * 5_000]
    lines = [f'{{"prompt": "{i}?", "answer": {text}, "task": "exact"}}' for i, text in enumerate(written)]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert [example.answer for example in read_own(tmp_path / "mine.jsonl")] == written
    tests = '{"prompt": "f", "task": "code", "answer": {"function": "f", "inputs": [[0.10]], "outputs": [2.50]}}'
    (tmp_path / "code.jsonl").write_text(tests, encoding="utf-8")
    (example,) = read_own(tmp_path / "code.jsonl")
    assert CodeTests(**json.loads(example.answer)).inputs == [[0.1]]


def write_shards(folder: Path, rows: list[dict[str, Any]], count: int, split: str = "train") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        own = rows[number * len(rows) // count : (number + 1) * len(rows) // count]
        pq.write_table(pa.Table.from_pylist(own), folder / f"{split}-{number:05d}-of-{count:05d}.parquet")


def test_a_folder_of_shards_is_read_in_order_and_the_hub_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"question": f"{i}+1?", "final_answer": str(i + 1)} for i in range(50)]
    write_shards(tmp_path / "deepmath/data", rows, 12)
    write_shards(tmp_path / "deepmath/data", rows[:3], 1, split="test")
    (tmp_path / "deepmath/README.md").write_text("about")
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    dataset = catalogue.load("deepmath", tmp_path, seed=0)
    assert [example.answer for example in dataset.examples] == [str(i + 1) for i in range(50)]
    assert [example.row for example in dataset.examples] == list(range(1, 51))
    assert dataset.local == tmp_path / "deepmath" and dataset.rejected == []


def test_own_data_may_be_a_folder_too(tmp_path: Path) -> None:
    write_shards(tmp_path / "mine", ROWS, 2)
    assert [example.answer for example in catalogue.load("mine", tmp_path, seed=0).examples] == [
        "1",
        "2",
        "3",
        "4",
        "5",
    ]
    bad = [*ROWS, {"prompt": "?", "answer": "", "task": "math"}]
    write_shards(tmp_path / "bad", bad, 3)
    with pytest.raises(DataError, match="row 6: 'answer' is missing"):
        catalogue.load("bad", tmp_path, seed=0)


def test_missing_mixed_and_scattered_shards_are_refused_by_name(tmp_path: Path) -> None:
    write_shards(tmp_path / "mine", ROWS, 3)
    (tmp_path / "mine/train-00001-of-00003.parquet").unlink()
    with pytest.raises(DataError, match=r"mine: of 3 shards train number 00001 is missing"):
        read_local(tmp_path / "mine")
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed/a.jsonl").write_text("{}")
    (tmp_path / "mixed/b.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"mixed: files of different kinds, \.csv, \.jsonl"):
        read_local(tmp_path / "mixed")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no data files in it"):
        read_local(tmp_path / "empty")
    write_shards(tmp_path, ROWS, 2, split="loose")
    with pytest.raises(DataError, match=r"loose-00000-of-00002\.parquet: put the shards of a dataset into a folder"):
        local_copy(tmp_path, "loose")
    (tmp_path / "mine.jsonl").write_text("{}")
    with pytest.raises(DataError, match=r"mine\.jsonl and mine are both there"):
        local_copy(tmp_path, "mine")
    (tmp_path / "mine.jsonl").unlink()
    write_shards(tmp_path / "aime24", ROWS, 1, split="validation")
    with pytest.raises(DataError, match="aime24: no file of the split 'train'"):
        catalogue.load("aime24", tmp_path, seed=0)


TACO = {"question": "Add.", "input_output": json.dumps({"inputs": ["1 2\n"], "outputs": ["3\n"]})}


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        ("2.0 seconds", 2.0), ("1000 ms", 1.0), ("1000ms", 1.0), ("1500 milliseconds", 1.5), ("2", 2.0), (2, 2.0),
        (0.5, 0.5), ("1 sec.", 1.0), ("1,5 s", 1.5), ("2 minutes", 120.0), ("0.5 - 1.0 seconds", 1.0), ("", 2.0),
        (None, 2.0), ("None", 2.0), ("250 msecs", 0.25), ("1 Second", 1.0),
    ],
)  # fmt: skip
def test_a_time_limit_is_meant_in_its_unit(limit: Any, seconds: float) -> None:
    spec = read_spec(spec_file("taco"))
    (example,), rejected = read_examples(spec, [(1, TACO | {"time_limit": limit})], seed=0)
    assert rejected == [] and CodeTests(**json.loads(example.answer)).seconds == seconds


@pytest.mark.parametrize("limit", ["soon", "2 fortnights", "ms", "-1 s", "1 2"])
def test_a_limit_that_is_not_understood_is_reported_and_not_guessed(limit: str) -> None:
    examples, (rejected,) = read_examples(read_spec(spec_file("taco")), [(1, TACO | {"time_limit": limit})], seed=0)
    assert examples == [] and "a limit" in rejected.reason


def test_memory_limits_have_units_too() -> None:
    spec = read_spec(spec_file("codeforces"))
    row = {"description": "Add.", "official_tests": [{"input": "1 2", "output": "3"}], "official_tests_complete": True}
    for limit, megabytes in (("256 megabytes", 256), ("1 GB", 1024), ("65536 KB", 64), (128.0, 128), (None, 512)):
        (example,), _ = read_examples(spec, [(1, row | {"memory_limit": limit})], seed=0)
        assert CodeTests(**json.loads(example.answer)).memory_mb == megabytes


def test_any_cell_comes_back_from_csv(tmp_path: Path) -> None:
    rng = random.Random(3)
    cells = ["".join(rng.choice('a1,;"\t\n .%é-+eE0') for _ in range(rng.randint(1, 8))) for _ in range(300)]
    path = tmp_path / "x.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["question", "answer"], *(["q", cell] for cell in cells)])
    assert [row["answer"] for row in rows_of(path)] == cells
