"""Rows of a dataset, from local files or from the hub at a pinned revision, with their numbers for error messages.

What a file writes is what a row holds: cells of CSV are text, and a decimal number of JSON keeps its digits.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from effopd.datasets.spec import DatasetSpec
from effopd.files import DataError
from effopd.json_text import from_json, to_json

SUFFIXES = (".parquet", ".jsonl", ".json", ".csv")
LONGEST_CELL = 1 << 28  # characters of one cell of a CSV file

Row = dict[str, Any]

_SHARD = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})")
_SPLITS = ("train", "test", "validation", "dev")


class Written(float):
    """A decimal number of JSON, which is printed as it was written: ``0.10``."""

    text: str

    def __new__(cls, text: str) -> Written:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


def read_file(path: Path) -> Iterator[tuple[int, Row | DataError]]:
    """Rows of a parquet, JSONL, JSON or CSV file, numbered from 1; a damaged row comes as the error that it is.

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


def read_local(path: Path, split: str = "") -> Iterator[tuple[int, Row | DataError]]:
    """Rows of a file, or of all files of a folder in their order, numbered throughout.

    split: of a folder's files those of that split, where their names say which. Raises `DataError` for files that
    cannot be read, that are of different kinds, or of which a shard is missing.
    """
    if not path.is_dir():
        return read_file(path)
    files = _files(path, split)
    _check_shards(path, files)
    return enumerate((row for file in files for _, row in read_file(file)), start=1)


def load_rows(spec: DatasetSpec, local: Path | None) -> Iterator[tuple[int, Row | DataError]]:
    """Rows of a dataset: those of a `local` file or folder where there is one, else of the hub at the spec's revision.

    Raises `DataError` when the dataset can be had from neither.
    """
    source = spec.source
    if local is not None:
        return read_local(local, source.split)
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
    """A file of that name in `folder`, or a folder of that name with files in it. Raises `DataError` when there are
    several."""
    found = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
    found += [path for path in (folder / name,) if path.is_dir()]
    if len(found) > 1:
        raise DataError(f"{folder}: {' and '.join(file.name for file in found)} are both there; keep one")
    if not found and (shards := sorted(folder.glob(f"{name}-?????-of-?????.*"))):
        raise DataError(f"{shards[0]}: put the shards of a dataset into a folder of its name, {folder / name}")
    return found[0] if found else None


def _files(folder: Path, split: str) -> list[Path]:
    """The data files of a folder and those below it: of one split where their names say of which they are."""
    files = sorted(file for file in folder.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    named = [file for file in files if file.name.startswith(_SPLITS) or file.parent.name in _SPLITS]
    if split and named:
        files = [file for file in named if file.name.startswith(split) or file.parent.name == split]
    kinds = {file.suffix for file in files}
    if len(kinds) > 1:
        raise DataError(f"{folder}: files of different kinds, {', '.join(sorted(kinds))}; keep one kind")
    if not files:
        raise DataError(
            f"{folder}: no file of the split {split!r} in it" if named else f"{folder}: no data files in it"
        )
    return files


def _check_shards(path: Path, files: Iterable[Path]) -> None:
    shards: dict[tuple[Path, str, int], set[int]] = {}
    for file in files:
        if match := _SHARD.fullmatch(file.stem):
            shards.setdefault((file.parent, match["name"], int(match["count"])), set()).add(int(match["number"]))
    for (_, name, count), numbers in shards.items():
        if missing := sorted(set(range(count)) - numbers):
            raise DataError(f"{path}: of {count} shards {name} number {missing[0]:05d} is missing")


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
    """A row a line, or the rows of an array that is the whole file, or all that the object in it holds."""
    content = path.read_bytes().removeprefix(_BOM)
    is_array = content.lstrip()[:1] == b"["
    if is_array or path.suffix == ".json":
        whole = _parsed(content, whole=True)
        if isinstance(whole, dict):
            (only, *others) = whole.values() or (None,)
            whole = only if not others and isinstance(only, list) else [whole]
        if isinstance(whole, list) and whole:
            yield from enumerate(map(_checked, whole), start=1)
            return
        if is_array and path.suffix == ".json":
            raise DataError(f"{path}: {whole or 'no rows'}")
    if not content.strip():
        raise DataError(f"{path}: no rows")
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            yield number, _parsed(line)


def _parsed(text: bytes, *, whole: bool = False) -> Any:
    """A row of JSON, or a whole file; what is none comes as the error that it is."""
    try:
        value = from_json(text.decode("utf-8"), parse_float=Written)
    except UnicodeDecodeError as error:
        return DataError(f"not valid UTF-8 ({error.reason} at byte {error.start})")
    except (ValueError, RecursionError) as error:
        return DataError(f"not valid JSON ({error})")
    return value if whole else _checked(value)


def _checked(row: Any) -> Row | DataError:
    """A JSON value as a row; what is none, or holds text that no file can hold, comes as the error that it is."""
    if not isinstance(row, dict):
        return DataError("not a JSON object")
    try:
        to_json(row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        return DataError(f"not valid text (half of a surrogate pair, {error.object[error.start]!a})")
    except RecursionError:
        return DataError("nested too deeply")
    return row


def _csv_rows(path: Path) -> Iterator[Row | DataError]:
    """Cells as the file holds them, and None for empty ones; separated by commas, or by what separates the header."""
    csv.field_size_limit(LONGEST_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = stream.readline()
            stream.seek(0)
            separator = next((sign for sign in ",;\t" if sign in header), ",")
            lines = csv.reader(stream, delimiter=separator, strict=True)
            columns = next(lines, [])
            twice = {name for name in columns if columns.count(name) > 1}
            if twice:
                raise DataError(f"{path}: the column {min(twice)!r} is there twice")
            empty = True
            for cells in lines:
                if not cells:
                    continue  # an empty line
                empty = False
                if len(cells) != len(columns):
                    yield DataError(f"{len(cells)} cells, but the header has {len(columns)}")
                else:
                    yield {name: cell or None for name, cell in zip(columns, cells, strict=True)}
            if empty:
                raise DataError(f"{path}: no rows")
    except (csv.Error, OSError) as error:
        raise DataError(f"{path}: not a readable CSV file ({_first_line(error)})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not valid UTF-8 ({error.reason} at byte {error.start})") from None


_BOM = b"\xef\xbb\xbf"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
