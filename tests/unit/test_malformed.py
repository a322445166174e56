"""Files and texts that nobody would write on purpose: a clear error or a zero, never a crash and never a hang."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_datasets import MADE_BY_HAND

from effopd.datasets.load import read_file
from effopd.datasets.own import read_own
from effopd.datasets.rows import read_examples
from effopd.datasets.spec import read_spec, spec_file
from effopd.files import DataError
from effopd.tasks.code import CodeTests
from effopd.tasks.problems import Problem, write_problems
from effopd.tasks.verifiers import verify_all

SPECS = {name: read_spec(spec_file(name)) for name in MADE_BY_HAND}
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["", " ", "\x00", "1", "{}", "[]", '{"inputs": 3}', '{"inputs": ["1"], "outputs": ["1", "2"]}',
                       "[" * 5000, "9" * 5000, "nan", "-1 seconds", b"\xff", 10**400, float("inf")])
)  # fmt: skip
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["input", "output", "role", "content", "question", "ground_truth", "x"]), inner, max_size=3
), max_leaves=6)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_row_of_any_shape_is_used_or_reported(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SPECS)))
    row = dict(MADE_BY_HAND[name])
    for column in data.draw(st.lists(st.sampled_from(sorted(row)), min_size=1, max_size=3)):
        if data.draw(st.booleans()):
            row[column] = data.draw(VALUES)
        else:
            row.pop(column, None)
    examples, rejected = read_examples(SPECS[name], [(1, row)], seed=0)
    assert len(examples) + len(rejected) == 1
    assert all(found.row == 1 and found.reason for found in rejected)
    for example in examples:
        assert example.question.strip() and example.answer
        if example.task == "code":  # what was let through can be graded
            CodeTests(**json.loads(example.answer))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["prompt", "messages", "answer", "task", "id", "x"]), VALUES | st.sampled_from(
    ["math", "code", "choice", [{"role": "user", "content": "1+1?"}], {"inputs": ["1"], "outputs": ["1"]}]
)))  # fmt: skip
def test_an_own_row_of_any_shape_is_read_or_refused_by_its_number(row: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mine.jsonl"
        file.write_text(json.dumps(row, default=str) + "\n", encoding="utf-8")
        try:
            examples, refusal = read_own(file), "row 1: "
        except DataError as error:
            examples, refusal = [], str(error)
        assert "row 1: " in refusal
        write_problems(Path(folder) / "p.parquet", [Problem(e.task, e.question, e.answer) for e in examples])


def files() -> dict[str, bytes]:
    rows = [{"question": f"question {i}", "final_answer": str(i), "é": "ü" * i} for i in range(20)]
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(pa.Table.from_pylist(rows), Path(folder) / "x.parquet")
        parquet = (Path(folder) / "x.parquet").read_bytes()
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    csv = "question,final_answer\n" + "".join(f'"question {i}, or so",{i}\n' for i in range(20))
    return {".parquet": parquet, ".jsonl": lines, ".csv": csv.encode()}


FILES = files()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_in_a_line_that_names_it(data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from(sorted(FILES)))
    content = bytearray(FILES[suffix])
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    content = content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"x{suffix}"
        file.write_bytes(content)
        try:
            rows, refusal = list(read_file(file)), file.name
        except DataError as error:
            rows, refusal = [], str(error)
        assert all(number >= 1 and isinstance(row, (dict, DataError)) for number, row in rows)
        assert file.name in refusal and "\n" not in refusal


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"prompt": "\\ud800", "answer": "1", "task": "math"}', "surrogate"),
        ('{"prompt": ' + "9" * 100_001 + "}", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"prompt": "x", "answer": ' + json.dumps("[" * 100_000) + ', "task": "code"}', "not a set of tests"),
        ('{"prompt": "x", "answer": {"inputs": "12", "outputs": "34"}, "task": "code"}', "must be lists"),
        ('{"prompt": "x", "answer": {"inputs": [1], "outputs": [1], "function": "f"}, "task": "code"}', "arguments"),
        ('{"prompt": "x", "answer": {"inputs": ["1"], "outputs": ["1"], "seconds": NaN}, "task": "code"}', "seconds"),
    ],
)
def test_what_json_lets_pass_and_a_dataset_must_not(tmp_path: Path, line: str, reason: str) -> None:
    (tmp_path / "mine.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"row 1: .*{reason}"):
        read_own(tmp_path / "mine.jsonl")


LATEX = [
    "\\frac{", "\\sqrt{", "{", "}", "(", ")", "[", "]", "^{", "_{", "\\left(", "\\right)", "\\begin{pmatrix}", "x", "1",
    "+", "\\end{pmatrix}", "&", "\\\\", "-", "=", ",", "\\cup", "\\text{", "!", "\\pm", "|", "\\int", "e",
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(LATEX), min_size=1, max_size=40), st.integers(1, 40), st.sampled_from(LATEX))
def test_latex_of_any_shape_is_graded_in_bounded_time(pieces: list[str], times: int, end: str) -> None:
    answer = "".join(pieces)[:40] * times + end
    began = time.monotonic()
    for gold in ("x^2+1", answer):
        verdict = verify_all([Problem("math", "", gold)], [f"\\boxed{{{answer}}}"])[0]
        assert verdict.score in (0.0, 1.0) and verdict.reason
    assert time.monotonic() - began < 240  # two comparisons of at most 5 s of CPU time, on a busy machine


@pytest.mark.parametrize("depth", [10, 11, 100_000])
@pytest.mark.parametrize(("opened", "closed"), [("\\left(", "\\right)"), ("{", "}"), ("x^{", "}")])
def test_nested_latex_takes_seconds_at_most(depth: int, opened: str, closed: str) -> None:
    began = time.monotonic()
    verdict = verify_all([Problem("math", "", "x+1")], [f"\\boxed{{{opened * depth}y{closed * depth}}}"])[0]
    assert verdict.score == 0.0 and (verdict.reason.startswith("the answer") or depth == 10)
    assert time.monotonic() - began < 120  # its limit is 5 s of CPU time, on a busy machine
