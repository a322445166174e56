"""Atomic writes, canonical JSON and hashes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effopd import files
from effopd.files import (
    DataError,
    atomic_path,
    canonical_json,
    hash_path,
    link_or_copy,
    read_json,
    read_jsonl,
    remove,
    sha256,
    write_json,
    write_jsonl,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Stop(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError, Stop])
@pytest.mark.parametrize("is_folder", [False, True])
def test_an_error_while_writing_leaves_the_old_content_and_no_rubbish(
    tmp_path: Path, error: type[BaseException], is_folder: bool
) -> None:
    target = tmp_path / "out"
    old = target / "a" if is_folder else target
    old.parent.mkdir(exist_ok=True)
    old.write_text("old")

    def write_badly() -> None:
        with atomic_path(target) as temporary:
            new = temporary / "b" if is_folder else temporary
            new.parent.mkdir(exist_ok=True)
            new.write_text("half")
            assert old.read_text() == "old", "nothing shows before the end"
            raise error

    with pytest.raises(error):
        write_badly()
    assert old.read_text() == "old"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("before", ["nothing", "file", "folder"])
@pytest.mark.parametrize("is_folder", [False, True])
def test_a_finished_write_replaces_what_was_there_whole(tmp_path: Path, before: str, is_folder: bool) -> None:
    target = tmp_path / "deep" / "out"
    if before == "file":
        write_text(target, "old")
    if before == "folder":
        write_text(target / "stale" / "old", "old")
        if not is_folder:
            remove(target)
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent, "on the same file system"
        write_text(temporary / "x" / "new" if is_folder else temporary, "new")
    assert (target / "x" / "new" if is_folder else target).read_text() == "new"
    assert names(tmp_path / "deep") == ["out"]
    assert not (target / "stale").exists()


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    left = tmp_path / f".out.{os.getpid()}.tmp"
    left.mkdir()
    (left / "old").write_text("half")
    with atomic_path(tmp_path / "out") as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("whole")
    assert names(tmp_path) == ["out"] and names(tmp_path / "out") == ["new"]


def test_what_another_process_left_when_it_was_killed_is_cleared_and_what_a_living_one_writes_is_not(
    tmp_path: Path,
) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / f".out.{dead.pid}.tmp").mkdir()
    (tmp_path / f".out.{os.getppid()}.tmp").write_text("being written")
    (tmp_path / f".out-2.{dead.pid}.tmp").write_text("of another target")
    write_text(tmp_path / "out", "whole")
    assert names(tmp_path) == sorted(["out", f".out.{os.getppid()}.tmp", f".out-2.{dead.pid}.tmp"])


texts = st.text(max_size=4)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@given(json_values)
@settings(max_examples=50, deadline=None)
def test_canonical_json_gives_the_value_back(value: object) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert "\n" not in text


def test_canonical_json_does_not_depend_on_the_order_of_keys() -> None:
    first, second = {"b": {"y": 1, "x": 0.1}, "a": 2}, {"a": 2, "b": {"x": 0.1, "y": 1}}
    assert canonical_json(first) == canonical_json(second) == '{"a": 2, "b": {"x": 0.1, "y": 1}}'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_know_are_refused_and_leave_the_file(tmp_path: Path, value: float) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    for write in (write_json, lambda path, row: write_jsonl(path, [row])):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write(path, {"a": value})
    assert read_json(path) == {"a": 1}


@given(st.lists(st.dictionaries(texts, json_values, max_size=3), max_size=4))
@settings(max_examples=25, deadline=None)
def test_rows_come_back_whatever_they_hold(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    write_jsonl(path, rows)
    assert read_jsonl(path) == rows


def test_a_row_may_hold_any_line_separator(tmp_path: Path) -> None:
    rows = [{"text": separator} for separator in ("\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029")]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    assert read_jsonl(tmp_path / "rows.jsonl") == rows


def test_a_bad_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": \n{"a": 3}\n')
    with pytest.raises(DataError) as caught:
        read_jsonl(path)
    assert str(caught.value).startswith(f"{path}, line 2: not valid JSON")


@pytest.mark.parametrize("read", [read_json, read_jsonl])
@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), (b"\xff\xfe{", "not valid")])
def test_a_missing_or_damaged_file_is_named(tmp_path: Path, read: object, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path)  # type: ignore[operator]
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_file_has_the_hash_that_every_other_tool_gives_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 1000)
    assert hash_path(tmp_path / "a") == hashlib.sha256(b"abc" * 1000).hexdigest()


def test_a_folders_hash_sees_names_contents_and_places_and_nothing_else(tmp_path: Path) -> None:
    def folder(content: dict[str, str], name: str) -> str:
        for path, text in content.items():
            write_text(tmp_path / name / path, text)
        return hash_path(tmp_path / name)

    plain = folder({"a": "1", "b/c": "2"}, "one")
    assert folder({"b/c": "2", "a": "1"}, "two") == plain, "neither its own name nor the order of writing"
    assert folder({"a": "1", "b/c": "2", "__pycache__/x.pyc": "3", "b/__pycache__/y.pyc": "4"}, "three") == plain
    others = [
        {"a": "2", "b/c": "1"},
        {"a": "1", "b/d": "2"},
        {"a": "1", "c": "2"},
        {"a": "1"},
        {"a": "1", "b/c": "2", "d": ""},
    ]
    assert len({folder(other, f"other{i}") for i, other in enumerate(others)} | {plain}) == 6


def test_hashing_nothing_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent: no such file"):
        hash_path(tmp_path / "absent")


def test_no_two_lists_of_parts_have_one_hash() -> None:
    lists = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"), ()]
    assert len({sha256(*parts) for parts in lists}) == len(lists)
    assert sha256("é") == sha256("é".encode())


def test_linking_shares_the_bytes_and_copies_where_links_do_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_text("x")
    link_or_copy(source, tmp_path / "linked" / "a")
    assert (tmp_path / "linked" / "a").stat().st_ino == source.stat().st_ino

    def refuse(*_: object) -> None:
        raise OSError("cross-device link")

    monkeypatch.setattr(files.os, "link", refuse)
    link_or_copy(source, tmp_path / "copied" / "a")
    assert (tmp_path / "copied" / "a").read_text() == "x"
    assert (tmp_path / "copied" / "a").stat().st_ino != source.stat().st_ino


def test_removing_takes_files_folders_and_links_but_not_what_links_point_to(tmp_path: Path) -> None:
    write_text(tmp_path / "folder" / "kept", "x")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("link", "absent"):
        remove(tmp_path / name)
    assert names(tmp_path) == ["folder"] and names(tmp_path / "folder") == ["kept"]
    remove(tmp_path / "folder")
    assert names(tmp_path) == []
