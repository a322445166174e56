"""Problems and demonstrations as parquet files, checked when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from effopd.files import DataError, atomic_path

UNGRADED = "none"
"""The task of a problem without an answer: distillation needs none."""


@dataclass(frozen=True)
class Problem:
    """A prompt, its reference answer and the task whose verifier grades completions of it, or `UNGRADED` and no answer.

    teacher: the name of the teacher that scores completions of it while training; empty for the usual one.
    teacher_prompt: what the teacher sees instead of the prompt; empty for the prompt.
    """

    task: str
    prompt: str
    answer: str
    teacher: str = ""
    teacher_prompt: str = ""


_ALWAYS, _OPTIONAL = ("task", "prompt", "answer"), ("teacher", "teacher_prompt")


@dataclass(frozen=True)
class Demonstration:
    """A prompt and one completion to imitate."""

    prompt: str
    completion: str


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """Write problems; an optional column is there where one of them has something in it."""
    rows = [asdict(problem) for problem in problems]
    columns = (*_ALWAYS, *(column for column in _OPTIONAL if any(row[column] for row in rows)))
    _write(path, [{column: row[column] for column in columns} for row in rows], columns)


def read_problems(path: Path) -> list[Problem]:
    """Read problems; optional columns may be missing. Raises `DataError` naming the file and the column or row."""
    return [Problem(**row) for row in _read(path, _ALWAYS, _OPTIONAL)]


def write_demonstrations(path: Path, demonstrations: Sequence[Demonstration]) -> None:
    _write(path, [asdict(demonstration) for demonstration in demonstrations], ("prompt", "completion"))


def read_demonstrations(path: Path) -> list[Demonstration]:
    """Read demonstrations. Raises `DataError` naming the file and the column or row at fault."""
    return [Demonstration(**row) for row in _read(path, ("prompt", "completion"))]


def _write(path: Path, rows: list[dict[str, str]], columns: tuple[str, ...]) -> None:
    schema = pa.schema([pa.field(column, pa.string(), nullable=False) for column in columns])
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary, compression="zstd")


def _read(path: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()) -> list[dict[str, str]]:
    try:
        with pq.ParquetFile(path) as file:  # read_table would import pandas first
            table = file.read()
        return _rows(path, table, (*columns, *(column for column in optional if column in table.column_names)))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable parquet file ({str(error).splitlines()[0]})") from None


def _rows(path: Path, table: pa.Table, columns: tuple[str, ...]) -> list[dict[str, str]]:
    for column in columns:
        if column not in table.column_names:
            raise DataError(f"{path}: column {column!r} is missing; the columns are {', '.join(table.column_names)}")
        if not (pa.types.is_string(table[column].type) or pa.types.is_large_string(table[column].type)):
            raise DataError(f"{path}: column {column!r} holds {table[column].type}, expected strings")
        if table[column].null_count:
            row = table[column].is_null().to_pylist().index(True)
            raise DataError(f"{path}: row {row} has no {column!r}")
    if table.num_rows == 0:
        raise DataError(f"{path}: no rows")
    return list(table.select(columns).to_pylist())
