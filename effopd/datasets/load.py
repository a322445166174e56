"""Rows of a dataset, from a local file or from the hub at a pinned revision, with their numbers for error messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from effopd.datasets.spec import DatasetSpec
from effopd.files import DataError

SUFFIXES = (".parquet", ".jsonl", ".json", ".csv")

Row = dict[str, Any]


def read_file(path: Path) -> Iterator[tuple[int, Row | DataError]]:
    """Rows of a parquet, JSONL or CSV file, numbered from 1; a damaged JSONL line comes as the error that it is.

    Raises `DataError` for a file that cannot be read at all.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    match path.suffix:
        case ".parquet":
            return enumerate(_parquet_rows(path), start=1)
        case ".jsonl" | ".json":
            return _json_rows(path)
        case ".csv":
            return enumerate(_csv_rows(path), start=1)
        case suffix:
            raise DataError(f"{path}: files of the kind {suffix!r} are not read; expected {', '.join(SUFFIXES)}")


def load_rows(spec: DatasetSpec, local: Path | None) -> Iterator[tuple[int, Row | DataError]]:
    """Rows of a dataset: those of a `local` file where there is one, else of the hub at the spec's revision.

    Raises `DataError` when the dataset can be had from neither.
    """
    if local is not None:
        return read_file(local)
    source = spec.source
    if not source.revision:
        raise DataError(
            f"{spec.title}: its spec pins no revision of {source.repository}; put a local copy into data/sources/, or "
            f"the commit that you trust into the spec (`effopd pin {source.repository}` names one)"
        )
    try:
        import datasets
    except ImportError:
        raise DataError("reading from the hub needs datasets: pip install -e '.[data]'") from None
    try:
        loaded = datasets.load_dataset(
            source.repository, source.config, split=source.split, revision=source.revision, data_files=source.files
        )
    except Exception as error:  # noqa: BLE001 - it raises many kinds: no network, no access, no such file, no such config
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(f"{spec.title}: {source.repository} cannot be loaded ({reason})") from None
    return enumerate(iter(loaded), start=1)


def local_copy(folder: Path, name: str) -> Path | None:
    """A file of that name in `folder`. Raises `DataError` when there are several."""
    found = [folder / f"{name}{suffix}" for suffix in SUFFIXES if (folder / f"{name}{suffix}").is_file()]
    if len(found) > 1:
        raise DataError(f"{folder}: {' and '.join(file.name for file in found)} are both there; keep one")
    return found[0] if found else None


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows == 0:
                raise DataError(f"{path}: no rows")
            for batch in file.iter_batches(1024):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable parquet file ({_first_line(error)})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: damaged text ({error})") from None


def _json_rows(path: Path) -> Iterator[tuple[int, Row | DataError]]:
    number = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8"))
            except UnicodeDecodeError as error:
                yield number, DataError(f"not valid UTF-8 ({error.reason} at byte {error.start})")
            except (ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits too
                yield number, DataError(f"not valid JSON ({error})")
            else:
                yield number, _checked(row)
    if number == 0:
        raise DataError(f"{path}: no rows")


def _checked(row: Any) -> Row | DataError:
    """A JSON value as a row; what is none, or holds text that no file can hold, comes as the error that it is."""
    if not isinstance(row, dict):
        return DataError("not a JSON object")
    try:
        json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        return DataError(f"not valid text (half of a surrogate pair, {error.object[error.start]!a})")
    except RecursionError:
        return DataError("nested too deeply")
    return row


def _csv_rows(path: Path) -> list[Row]:
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    try:
        rows = list(pyarrow.csv.read_csv(path, parse_options=options).to_pylist())
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable CSV file ({_first_line(error)})") from None
    if not rows:
        raise DataError(f"{path}: no rows")
    return rows


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
