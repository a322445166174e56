"""Atomic writes, canonical JSON and hashing: the only place that knows about temporary names."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from effopd.json_text import to_json

_OURS = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")  # temporary folders of this module, as tempfile makes their names
BESIDE = re.compile(r"__pycache__|\.ipynb_checkpoints|\.DS_Store|\._.*|Thumbs\.db|\..*\.sw.|\.#.*|#.*#|.*~")
"""Names that Python, editors and file managers give to what they leave in a folder, which is not of its content.
DVC is told of the same in .dvcignore."""


class DataError(ValueError):
    """A file that cannot be used: damaged, missing or of the wrong shape. The message names the file."""


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and shortest round-trip floats: equal values give equal bytes. NaN is refused."""
    return to_json(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary name near `path`, for a file or a folder; it replaces `path` when the block ends without error."""
    with temporary_near(path) as folder:
        temporary = Path(folder, path.name)
        yield temporary
        sync(temporary)
        with in_place({path: temporary}):
            pass


def temporary_near(path: Path) -> TemporaryDirectory[str]:
    """A folder to write what becomes `path` in, on the same file system. What killed processes left there goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_left_behind(path.parent)
    return claimed_folder(f".{path.name[:50]}.", ".tmp", path.parent)


def claimed_folder(prefix: str, suffix: str = "", parent: Path | None = None) -> TemporaryDirectory[str]:
    """A temporary folder under a lock that ends with this process, however that ends: see `remove_if_unclaimed`."""
    while True:
        folder = TemporaryDirectory(prefix=prefix, suffix=suffix, dir=parent, ignore_cleanup_errors=True)
        with contextlib.suppress(FileNotFoundError):  # somebody who clears up was faster than the lock
            held = os.open(folder.name, os.O_RDONLY)
            weakref.finalize(folder, os.close, held)
            fcntl.flock(held, fcntl.LOCK_SH)
            if os.path.samestat(os.fstat(held), Path(folder.name).stat()):
                return folder


def remove_left_behind(folder: Path, *, below: bool = False) -> None:
    """Remove the temporary folders in `folder`, or anywhere below it, whose writers are no more."""
    for place, folders, _ in os.walk(folder):
        ours = [name for name in folders if _OURS.fullmatch(name)]
        for name in ours:
            remove_if_unclaimed(Path(place, name))
        folders[:] = set(folders).difference(ours) if below else ()


def remove_if_unclaimed(folder: Path) -> None:
    """Remove a folder made by `claimed_folder` unless its process lives; process numbers, used again, play no part."""
    with contextlib.suppress(OSError):  # BlockingIOError: it is in use
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(held)


@contextmanager
def in_place(temporaries: Mapping[Path, Path]) -> Iterator[None]:
    """Rename each temporary to its target, and back where the block fails: all targets are replaced, or none."""
    placed: list[Path] = []
    try:
        for path, temporary in temporaries.items():
            before = _before(temporary)
            if path.is_dir() or temporary.is_dir():
                with contextlib.suppress(FileNotFoundError):
                    path.rename(before)  # a folder cannot be replaced in one call
            else:
                with contextlib.suppress(OSError):  # nothing there, or a file system without links
                    os.link(path, before, follow_symlinks=False)
            temporary.replace(path)
            placed.append(path)
        for folder in {path.parent for path in temporaries}:
            _sync_one(folder)
        yield
    except BaseException:
        for path, temporary in temporaries.items():
            with contextlib.suppress(OSError):
                if path in placed:
                    path.rename(temporary)
                _before(temporary).replace(path)
        raise


def sync(path: Path) -> None:
    """Flush a file or a folder to disk, so that a rename never outlives the bytes it points to."""
    for inside in path.rglob("*") if path.is_dir() else ():
        _sync_one(inside)
    _sync_one(path)


def write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as canonical JSON, indented for people."""
    indented = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=2)
    write_text(path, indented + "\n")


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    write_text(path, "".join(canonical_json(row) + "\n" for row in rows))


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:  # ValueError: bytes, syntax, a number of thousands of digits
        raise DataError(f"{path}: not valid JSON ({error})") from None


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as stream:
            lines = list(stream)  # splits at line feeds alone: strings may hold any other separator
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not valid UTF-8 ({error})") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: not valid JSON ({error})") from None
    return rows


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """The same bytes under a second name, without a second copy on disk where the file system allows it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def sha256(*parts: bytes | str) -> str:
    """SHA-256 over the parts, each preceded by its length so that no two lists of parts collide."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def hash_path(path: Path) -> str:
    """SHA-256 of a file, or of a folder's relative names and contents. Raises `DataError` when nothing is there."""
    if path.is_dir():
        inside = ((file, file.relative_to(path)) for file in path.rglob("*"))
        files = sorted(file for file, name in inside if file.is_file() and not any(map(BESIDE.fullmatch, name.parts)))
        return sha256(*(part for file in files for part in (file.relative_to(path).as_posix(), hash_path(file))))
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None


Mark = tuple[int, ...]


def marks(path: Path) -> dict[str, Mark]:
    """What the file system says of a path, of all below it, and of the folders that lead to it from here.

    Who writes to a file, replaces it, or swaps it and puts it back leaves another mark: the time of an inode's last
    change cannot be set. Adding links to a file, its permissions, and files beside it that come and go leave none.
    Raises `OSError` where nothing is there.
    """
    found = {str(folder): _mark(folder) for folder in path.parents if not path.is_absolute() and folder != Path()}
    found[str(path)] = _mark(path)
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not BESIDE.fullmatch(name)]
        own = (name for name in (*folders, *files) if not BESIDE.fullmatch(name))
        found |= {place: _mark(place) for name in own if (place := f"{folder}/{name}")}
    return found


def touched(path: Path, before: Mapping[str, Mark]) -> str | None:
    """What of `path` has another mark than `before`, is new or is gone; None if nothing."""
    try:
        now = marks(path)
    except OSError:
        return str(path)
    for place in sorted({*before, *now}):
        if place not in before or place not in now or not _same(before[place], now[place]):
            return place
    return None


def stamps(path: Path) -> dict[str, Mark]:
    """(inode, size, time written) of a file, or of each file of a folder by its name there: whatever its own name."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return {file.relative_to(path).as_posix(): _mark(file)[:3] for file in files}


def _mark(path: str | Path) -> Mark:
    """Of a file (inode, size, time written, time changed, links, mode); of a link also what it leads to."""
    found = os.lstat(path)
    if stat.S_ISDIR(found.st_mode):  # its time written is that of files that come and go in it
        return (found.st_ino, 0, 0, found.st_ctime_ns, found.st_mtime_ns, found.st_mode)
    mark = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_nlink, found.st_mode)
    return mark + _mark(os.path.realpath(path, strict=True)) if stat.S_ISLNK(found.st_mode) else mark


def _same(before: Mark, now: Mark) -> bool:
    explained = before[4:6] != now[4:6]  # a time changed that comes of another number of links or of chmod
    same = before[:3] == now[:3] and (before[3] == now[3] or explained)
    return same and (len(before) == 6 or _same(before[6:], now[6:]))


def _before(temporary: Path) -> Path:
    """Where what a temporary replaces is kept until all is done."""
    return temporary.with_name(f"{temporary.name}.before")


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
