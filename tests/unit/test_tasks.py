"""The arithmetic world against Python's own arithmetic and planted shares; problem files that name what is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effopd.files import DataError
from effopd.params.data import DataParams, DemonstrationParams
from effopd.tasks.arithmetic import ALPHABET, sample_demonstrations, sample_prompts, sample_splits, solve, verify
from effopd.tasks.problems import (
    Demonstration,
    Problem,
    read_demonstrations,
    read_problems,
    write_demonstrations,
    write_problems,
)
from effopd.tasks.verifiers import score_all

MIXTURE = DemonstrationParams(
    examples=6000,
    min_operations=2,
    max_operations=5,
    correct=0.3,
    guess=0.35,
    guess_accuracy=0.3,
    step_error=0.35,
)
WORLD = DataParams(source="arithmetic", operations=3, train=400, validation=30, dev=40, test=50, demonstrations=MIXTURE)


def evaluated(prompt: str) -> int:
    """Python's own evaluation, parenthesised from the left: ((3+8)-4)*2 modulo 10."""
    first, *rest = re.findall(r"[+*-]?\d", prompt)
    expression = first
    for part in rest:
        expression = f"({expression}{part})"
    return int(eval(expression)) % 10


prompts = st.builds(
    lambda first, rest: first + "".join(rest) + "?",
    st.sampled_from("0123456789"),
    st.lists(st.builds(str.__add__, st.sampled_from("+-*"), st.sampled_from("0123456789")), min_size=1, max_size=8),
)


@given(prompts)
@settings(max_examples=200, deadline=None)
def test_answers_are_those_of_python(prompt: str) -> None:
    assert solve(prompt) == str(evaluated(prompt))


def test_chains_are_worked_from_left_to_right_and_stay_digits_below_zero() -> None:
    assert solve("2+3*4?") == "0"  # (2+3)*4, not 2+12
    assert solve("3-8?") == "5"
    assert solve("0-9*9?") == "9"  # (−9 mod 10)·9


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("#7", 1.0),
        ("3+8=1;1-4=7;#7", 1.0),
        ("1-4=7;#8", 0.0),
        ("7", 0.0),
        ("", 0.0),
        ("#", 0.0),
        ("#77", 0.0),
        ("#7;", 0.0),
        ("#8#7", 0.0),
        ("#7#7", 0.0),
        (" #7", 1.0),
        ("# 7", 0.0),
    ],
)
def test_only_the_exact_answer_behind_the_first_marker_counts(completion: str, expected: float) -> None:
    problem = Problem("arithmetic", "3+8-4?", "7")
    assert [verify(problem, completion)] == score_all([problem], [completion]) == [expected]


def test_a_task_without_a_verifier_is_an_error_that_names_it() -> None:
    with pytest.raises(DataError, match="no verifier for the task 'chess' of the prompt 'e4'"):
        score_all([Problem("chess", "e4", "e5")], ["#e5"])


def test_splits_have_their_sizes_and_share_no_prompt() -> None:
    splits = sample_splits(0, WORLD)
    sizes = {"train": 400, "validation": 30, "dev": 40, "test": 50}
    assert {name: len(rows) for name, rows in splits.items()} == sizes
    found = [problem.prompt for rows in splits.values() for problem in rows]
    assert len(set(found)) == len(found) == 520
    for rows in splits.values():
        for problem in rows:
            assert re.fullmatch(r"\d([+*-]\d){3}\?", problem.prompt)
            assert problem.answer == str(evaluated(problem.prompt)) and problem.task == "arithmetic"


def test_the_same_seed_gives_the_same_world_and_another_none_of_it() -> None:
    first, again, other = (sample_splits(seed, WORLD) for seed in (0, 0, 1))
    assert first == again
    assert all(first[name] != other[name] for name in first)


@pytest.mark.parametrize("name", ["train", "validation", "dev", "test"])
def test_a_larger_split_leaves_the_others_as_they_are(name: str) -> None:
    world = WORLD.model_copy(update={"operations": 6})  # so many chains that two splits hardly draw the same one
    first = sample_splits(0, world)
    longer = sample_splits(0, world.model_copy(update={name: len(first[name]) + 50}))
    assert longer[name][: len(first[name])] == first[name]
    assert all(longer[other] == first[other] for other in first if other != name)


def test_prompts_are_spread_evenly_and_avoid_the_excluded() -> None:
    everything = {f"{a}{o}{b}?" for a in range(10) for o in "+-*" for b in range(10)}
    excluded = set(sorted(everything)[::3])
    found = sample_prompts(np.random.default_rng(1), 50, 1, excluded)
    assert len(set(found)) == 50 and set(found) <= everything - excluded
    many = sample_prompts(np.random.default_rng(2), 3000, 4, set())
    for position, symbols in ((0, "0123456789"), (1, "+-*"), (8, "0123456789")):
        counts = [sum(prompt[position] == symbol for prompt in many) for symbol in symbols]
        expected = 3000 / len(symbols)
        assert max(abs(count - expected) for count in counts) < 5 * math.sqrt(expected)


def test_more_prompts_than_there_are_chains_are_refused_instead_of_sought_for_ever() -> None:
    with pytest.raises(ValueError, match="too few chains of 1 operations to draw 200"):
        sample_prompts(np.random.default_rng(0), 200, 1, set())


def kind(demonstration: Demonstration) -> str:
    """guess, correct or erring, read off the completion; the steps themselves are checked on the way."""
    *steps, answer = demonstration.completion.split(";")
    assert re.fullmatch(r"#\d", answer)
    if not steps:
        return "right guess" if answer[1] == str(evaluated(demonstration.prompt)) else "wrong guess"
    chain = re.findall(r"[+*-]?\d", demonstration.prompt)
    value, erred = chain[0], 0
    assert len(steps) == len(chain) - 1
    for step, part in zip(steps, chain[1:], strict=True):
        assert step[:4] == f"{value}{part}=", "each step goes on from the digit that was written"
        erred += step[4:] != str(int(eval(f"{value}{part}")) % 10)
        value = step[4:]
    assert answer[1:] == value, "the answer is the last step's"
    return f"erred {erred}"


def near(count: int, share: float, total: int) -> bool:
    """Within five standard errors."""
    return abs(count - share * total) < 5 * math.sqrt(total * share * (1 - share))


def test_demonstrations_have_the_planted_shares() -> None:
    found = sample_demonstrations(np.random.default_rng(3), MIXTURE, set())
    kinds = [kind(demonstration) for demonstration in found]
    total = len(found)
    assert total == 6000
    assert near(kinds.count("right guess"), 0.35 * 0.3, total)
    assert near(kinds.count("wrong guess"), 0.35 * 0.7, total)
    operations = [len(re.findall(r"[+*-]\d", demonstration.prompt)) for demonstration in found]
    for n in (2, 3, 4, 5):
        assert near(operations.count(n), 1 / 4, total)
        with_steps = [k for k, o in zip(kinds, operations, strict=True) if o == n and k.startswith("erred")]
        flawless = (0.3 + 0.35 * 0.65**n) / 0.65  # the correct share, and those of the rest that happened not to err
        assert near(with_steps.count("erred 0"), flawless, len(with_steps))
        single = 0.35 * n * 0.35 * 0.65 ** (n - 1) / 0.65
        assert near(with_steps.count("erred 1"), single, len(with_steps))


def test_wrong_digits_are_any_other_digit_alike() -> None:
    params = MIXTURE.model_copy(update={"guess": 1.0, "correct": 0.0, "guess_accuracy": 0.0, "examples": 4000})
    found = sample_demonstrations(np.random.default_rng(4), params, set())
    offsets = [(int(d.completion[1]) - evaluated(d.prompt)) % 10 for d in found]
    assert offsets.count(0) == 0
    assert all(near(offsets.count(offset), 1 / 9, 4000) for offset in range(1, 10))


def test_no_held_out_prompt_is_demonstrated() -> None:
    splits = sample_splits(5, WORLD)
    held_out = {problem.prompt for rows in splits.values() for problem in rows}
    params = MIXTURE.model_copy(update={"min_operations": 3, "max_operations": 3, "examples": 3000})
    found = sample_demonstrations(np.random.default_rng(6), params, held_out)
    without = sample_demonstrations(np.random.default_rng(6), params, set())
    assert not held_out & {demonstration.prompt for demonstration in found}
    assert held_out & {demonstration.prompt for demonstration in without}, "otherwise it would have been"


def test_the_alphabet_holds_every_character_of_the_world() -> None:
    found = sample_demonstrations(np.random.default_rng(7), MIXTURE, set())
    assert {c for d in found for c in d.prompt + d.completion} == set(ALPHABET)


PROBLEMS = [Problem("arithmetic", "1+1?", "2"), Problem("code", "naïve ∑ \u2028 line?\n", "")]


def test_files_give_back_what_was_written(tmp_path: Path) -> None:
    demonstrations = [Demonstration("1+1?", "1+1=2;#2"), Demonstration("ß?", "")]
    write_problems(tmp_path / "p.parquet", PROBLEMS)
    write_demonstrations(tmp_path / "d.parquet", demonstrations)
    assert read_problems(tmp_path / "p.parquet") == PROBLEMS
    assert read_demonstrations(tmp_path / "d.parquet") == demonstrations
    first = (tmp_path / "p.parquet").read_bytes()
    write_problems(tmp_path / "p.parquet", PROBLEMS)
    assert (tmp_path / "p.parquet").read_bytes() == first, "equal problems give equal bytes"


def test_columns_that_nobody_asked_for_are_ignored_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"answer": ["2"], "level": [3], "prompt": ["1+1?"], "task": ["arithmetic"]}), path)
    assert read_problems(path) == PROBLEMS[:1]


COLUMNS: dict[str, Any] = {"task": ["a", "b"], "prompt": ["p", "q"], "answer": ["1", "2"]}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"task": ["a"], "answer": ["1"]}, "column 'prompt' is missing; the columns are task, answer"),
        (COLUMNS | {"answer": [1, 2]}, "column 'answer' holds int64, expected strings"),
        (COLUMNS | {"prompt": [b"p", b"q"]}, "column 'prompt' holds binary, expected strings"),
        (COLUMNS | {"answer": ["1", None]}, "row 1 has no 'answer'"),
        ({name: pa.array([], pa.string()) for name in COLUMNS}, "no rows"),
    ],
)
def test_a_wrong_column_or_row_is_named(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DataError) as caught:
        read_problems(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"task,prompt,answer\n"),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    ],
    ids=["missing", "empty", "text", "cut", "half"],
)
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    path = tmp_path / "p.parquet"
    write_problems(path, PROBLEMS * 50)
    damage(path)
    with pytest.raises(DataError) as caught:
        read_problems(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_flipped_byte_is_read_past_or_named_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    write_problems(path, PROBLEMS * 20)
    content = path.read_bytes()
    messages = []
    for position in range(0, len(content), 5):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            read_problems(path)
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 50
    assert all(message.startswith(f"{path}: ") and "\n" not in message for message in messages)
