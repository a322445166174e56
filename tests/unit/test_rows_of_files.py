"""Rows of files as dataclasses: what is checked, and where an error says it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from effopd.files import DataError
from effopd.records import read_table, record, records, value_of


@dataclass(frozen=True)
class Point:
    name: str
    values: tuple[float, ...]
    weight: float | None
    rank: int = 0


@dataclass(frozen=True)
class Line:
    points: tuple[Point, ...]


ROW = {"name": "a", "values": [1, 0.5], "weight": None}
FILE = Path("some.json")


def test_fields_are_taken_by_name_and_the_rest_is_left_out() -> None:
    assert record(FILE, Point, ROW | {"more": 1}) == Point("a", (1.0, 0.5), None)
    assert record(FILE, Line, {"points": [ROW, ROW | {"rank": 3}]}).points[1] == Point("a", (1.0, 0.5), None, 3)
    assert records(FILE, Point, [ROW]) == (Point("a", (1.0, 0.5), None),)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ROW, {"name": "b", "weight": 1.0}], "some.json, row 2: values is missing; run the stage"),
        ([ROW, ROW | {"values": [1.0, "x"]}], "some.json, row 2, values, row 2: input should be a valid number.*'x'"),
        ([ROW | {"weight": "much"}], "some.json, row 1, weight: input should be a valid number.*'much'; run"),
        ([ROW | {"rank": 0.5}], "some.json, row 1, rank: .*fractional part, found 0.5; run"),
        ([None], "some.json, row 1: input should be .*found None; run"),
        ({"rows": [ROW]}, "some.json: input should be a valid tuple, found {"),
        ([], "some.json: expected rows, found none"),
        (None, "some.json: expected rows, found none"),
    ],
)
def test_an_error_is_one_line_that_names_file_row_and_key(rows: Any, said: str) -> None:
    with pytest.raises(DataError, match=said) as raised:
        records(FILE, Point, rows)
    assert "\n" not in str(raised.value)


def test_a_table_gives_the_columns_that_there_are_fields_for(tmp_path: Path) -> None:
    path = tmp_path / "points.parquet"
    pq.write_table(pa.Table.from_pylist([ROW | {"rank": 1, "more": "x"}]), path)
    assert read_table(path, Point) == (Point("a", (1.0, 0.5), None, 1),)
    pq.write_table(pa.Table.from_pylist([ROW]), path)
    with pytest.raises(DataError, match=r"points\.parquet: rank is missing"):
        read_table(path, Point)
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"points\.parquet: not a readable parquet file"):
        read_table(path, Point)
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "none.parquet", Point)


def test_a_value_of_a_file_is_named_where_it_is_missing() -> None:
    assert value_of(FILE, {"a": None}, "a") is None
    for values in ({"b": 1}, [1], None):
        with pytest.raises(DataError, match=r"some\.json: a is missing"):
            value_of(FILE, values, "a")
