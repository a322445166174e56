"""Atomic writes, canonical JSON and hashes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
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
    in_place,
    link_or_copy,
    marks,
    read_json,
    read_jsonl,
    remove,
    remove_if_unclaimed,
    remove_left_behind,
    sha256,
    touched,
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
        assert target.parent in temporary.parents, "on the same file system"
        write_text(temporary / "x" / "new" if is_folder else temporary, "new")
    assert (target / "x" / "new" if is_folder else target).read_text() == "new"
    assert names(tmp_path / "deep") == ["out"]
    assert not (target / "stale").exists()


WRITER = """
import os, sys
from pathlib import Path
from effopd.files import atomic_path, claimed_folder
with atomic_path(Path(sys.argv[1])) as temporary, claimed_folder("box-", parent=Path(sys.argv[1]).parent):
    temporary.mkdir()
    (temporary / "half").write_text("x")
    print("writing", flush=True)
    sys.stdin.read()
"""


def writer(target: Path) -> subprocess.Popen[str]:
    """A process in the middle of writing `target`."""
    command = [sys.executable, "-c", WRITER, str(target)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "writing\n"
    return process


def test_what_a_killed_process_left_is_cleared_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    killed, living = writer(tmp_path / "killed"), writer(tmp_path / "living")
    killed.kill()
    killed.communicate()
    of_others = [".vault.tmp", ".swap.abcdefgh.tmp"]
    (tmp_path / of_others[0]).mkdir()
    (tmp_path / of_others[1]).write_text("a file, and none of ours")
    write_text(tmp_path / "out", "whole")
    for box in tmp_path.glob("box-*"):
        remove_if_unclaimed(box)
    left = [name for name in names(tmp_path) if name not in ("out", *of_others)]
    assert [name.split(".")[1] if name[0] == "." else "box" for name in left] == ["living", "box"]
    living.communicate("")
    assert living.returncode == 0 and names(tmp_path) == sorted(["living", "out", *of_others])


def test_what_was_left_deep_below_is_cleared_too(tmp_path: Path) -> None:
    process = writer(tmp_path / "run" / "state" / "row.json")
    process.kill()
    process.communicate()
    remove_left_behind(tmp_path)
    assert names(tmp_path / "run" / "state") != [], "of the folder itself alone"
    remove_left_behind(tmp_path, below=True)
    assert [name for name in names(tmp_path / "run" / "state") if name[0] == "."] == []


def test_of_several_targets_all_are_replaced_or_none(tmp_path: Path) -> None:
    old = {"file": "old", "folder/a": "old"}
    for name, text in old.items():
        write_text(tmp_path / name, text)
    for error in (None, Stop):
        new = {tmp_path / "file": tmp_path / "t/file", tmp_path / "folder": tmp_path / "t/folder"}
        new[tmp_path / "third"] = tmp_path / "t/third"
        for name in ("file", "folder/b", "third"):
            write_text(tmp_path / "t" / name, "new")
        try:
            with in_place(new):
                assert {path.name for path in (tmp_path / "folder").iterdir()} == {"b"}
                assert (tmp_path / "file").read_text() == (tmp_path / "third").read_text() == "new"
                if error is None:
                    raise Stop
        except Stop:
            assert {name: (tmp_path / name).read_text() for name in old} == old
            assert names(tmp_path / "folder") == ["a"] and not (tmp_path / "third").exists()
    assert names(tmp_path / "folder") == ["b"] and (tmp_path / "third").read_text() == "new"


SWAPS: dict[str, Callable[[Path], object]] = {
    "written with the same text": lambda path: path.write_text(path.read_text()),
    "written and its time put back": lambda path: (path.write_text("new"), os.utime(path, ns=(1, 1))),
    "swapped and copied back": lambda path: (
        shutil.copy2(path, path.with_name("kept")),
        path.write_text("new"),
        shutil.copy2(path.with_name("kept"), path),
        path.with_name("kept").unlink(),
    ),
    "moved away and back": lambda path: (
        path.rename(path.with_name("kept")),
        path.write_text("new"),
        path.with_name("kept").replace(path),
    ),
    "its folder moved away and back": lambda path: (
        path.parent.rename(path.parent.with_name("kept")),
        path.parent.mkdir(),
        path.write_text("new"),
        shutil.rmtree(path.parent),
        path.parent.with_name("kept").rename(path.parent),
    ),
    "deleted": lambda path: path.unlink(),
}
IN_PEACE: dict[str, Callable[[Path], object]] = {
    "read": lambda path: path.read_text(),
    "linked": lambda path: os.link(path, path.parent.with_name("link")),
    "its mode changed": lambda path: path.chmod(0o444),
}


@pytest.mark.parametrize("how", SWAPS)
@pytest.mark.parametrize("of", ["file", "folder", "folder above"])
def test_who_touches_a_file_is_noticed_though_it_reads_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, of: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("data/run/file")
    write_text(file, "old")
    os.utime(file, ns=(1, 1))
    asked = {"file": file, "folder": file.parent, "folder above": file.parent.parent}[of]
    before = marks(asked)
    assert touched(asked, before) is None
    wait_for_the_clock(tmp_path)
    SWAPS[how](file)
    assert touched(asked, before) is not None


@pytest.mark.parametrize("how", IN_PEACE)
def test_who_reads_links_or_protects_a_file_leaves_no_mark(tmp_path: Path, how: str) -> None:
    file = tmp_path / "run/file"
    write_text(file, "old")
    before = marks(file)
    wait_for_the_clock(tmp_path)
    IN_PEACE[how](file)
    assert touched(file, before) is None


def test_files_that_come_and_go_beside_an_input_leave_no_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_text(Path("data/file"), "old")
    before = marks(Path("data/file"))
    wait_for_the_clock(tmp_path)
    write_text(Path("data/other"), "x")
    Path("data/other").unlink()
    assert touched(Path("data/file"), before) is None


def test_a_link_is_watched_and_what_it_leads_to(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_text(tmp_path / name, name)
    link = tmp_path / "link"
    for change in (lambda: write_text(tmp_path / "one", "new"), lambda: (link.unlink(), link.symlink_to("two"))):
        link.unlink(missing_ok=True)
        link.symlink_to("one")
        before = marks(link)
        wait_for_the_clock(tmp_path)
        change()
        assert touched(link, before) == str(link)


def wait_for_the_clock(folder: Path) -> None:
    """Until a file system that counts in ticks gives a new file another time."""
    probe = folder / "probe"
    probe.touch()
    began = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == began:
        probe.touch()
    probe.unlink()


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


@pytest.mark.parametrize("content", ["[" * 100_000, "9" * 5000, '{"a": ' * 100_000], ids=["lists", "digits", "objects"])
def test_what_is_nested_or_counts_beyond_measure_is_no_json(tmp_path: Path, content: str) -> None:
    (tmp_path / "a").write_text(content)
    for read in (read_json, read_jsonl):
        with pytest.raises(DataError, match="not valid JSON"):
            read(tmp_path / "a")


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


def test_what_python_editors_and_file_managers_leave_in_a_folder_is_not_of_its_content(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / ".ipynb_checkpoints").mkdir(parents=True)
    (folder / "rows.jsonl").write_text("{}")
    content, before = hash_path(folder), marks(folder)
    for name in (".rows.jsonl.swp", "rows.jsonl~", ".DS_Store", "._rows.jsonl", "#rows.jsonl#", ".ipynb_checkpoints/a"):
        (folder / name).write_text("left")
    assert hash_path(folder) == content and touched(folder, before) is None
    (folder / "rows.jsonl.new").write_text("{}")
    assert hash_path(folder) != content and touched(folder, before) == str(folder / "rows.jsonl.new")


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
