"""Rows of files as dataclasses, each value checked against the type of its field; errors name file, row and key."""

from __future__ import annotations

import reprlib
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from effopd.files import DataError

AGAIN = "run the stage that writes this file again"
Record = TypeVar("Record")


def record(path: Path, kind: type[Record], values: Any) -> Record:
    """The `values` of a file as a dataclass, its own dataclasses and tuples included; what has no field is left out.

    Raises `DataError`.
    """
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = [f"row {part + 1}" if isinstance(part, int) else part for part in first["loc"]]
        if first["type"] == "missing":
            *outer, key = place
            raise DataError(f"{', '.join([str(path), *outer])}: {key} is missing; {AGAIN}") from None
        found = f"{first['msg'][0].lower()}{first['msg'][1:]}, found {reprlib.repr(first['input'])}"
        raise DataError(f"{', '.join([str(path), *place])}: {found}; {AGAIN}") from None


def records(path: Path, kind: type[Record], rows: Any) -> tuple[Record, ...]:
    """As `record`, for a list that is not empty."""
    if not rows:
        raise DataError(f"{path}: expected rows, found none; {AGAIN}")
    return record(path, tuple[kind, ...], rows)  # type: ignore[valid-type]


def read_table(path: Path, kind: type[Record]) -> tuple[Record, ...]:
    """The rows of a parquet file, from the columns that `kind` has fields for. Raises `DataError`."""
    columns = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    try:
        with pq.ParquetFile(path) as file:  # read_table would import pandas first
            if missing := [column for column in columns if column not in file.schema_arrow.names]:
                raise DataError(f"{path}: {missing[0]} is missing; {AGAIN}")
            rows = file.read(columns=columns).to_pylist()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not a readable parquet file ({str(error).splitlines()[0]}); {AGAIN}") from None
    return records(path, kind, rows)


def value_of(path: Path, values: Any, key: str) -> Any:
    """`values[key]` of a file. Raises `DataError` when there is none."""
    if not isinstance(values, dict) or key not in values:
        raise DataError(f"{path}: {key} is missing; {AGAIN}")
    return values[key]
