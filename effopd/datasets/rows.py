"""What a row of each published layout means: a question and what its answer is checked against."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from effopd.datasets.load import Row
from effopd.datasets.spec import DatasetSpec
from effopd.files import DataError
from effopd.json_text import from_json
from effopd.seeding import generator
from effopd.tasks.choice import LETTERS
from effopd.tasks.code import CodeTests

_AMOUNT = re.compile(r"(?:[\d.,]+\s*-\s*)?(\d+(?:[.,]\d+)?)\s*([a-z]*)\.?")  # of a range its end
_TIMES = {
    "second": 1.0,
    "sec": 1.0,
    "s": 1.0,
    "millisecond": 0.001,
    "msec": 0.001,
    "ms": 0.001,
    "minute": 60.0,
    "min": 60.0,
}
_SIZES = {
    "megabyte": 1.0, "mb": 1.0, "mib": 1.0, "m": 1.0, "kilobyte": 2**-10, "kb": 2**-10, "kib": 2**-10, "k": 2**-10,
    "gigabyte": 2**10, "gb": 2**10, "gib": 2**10, "g": 2**10, "byte": 2**-20, "b": 2**-20,
}  # fmt: skip


@dataclass(frozen=True)
class Example:
    """One row, read: its number in the source, the question alone, the options of a choice, the task and the answer.

    messages: a conversation to be put as it stands, where a row brings one. solution: worked out, where it has one.
    teacher: the name of the one that scores completions while training, where it is not the usual one.
    teacher_question: what that one is asked instead, in the same conversation; empty for the question.
    """

    row: int
    question: str
    task: str
    answer: str
    choices: tuple[str, ...] = ()
    messages: tuple[tuple[str, str], ...] = ()
    solution: str = ""
    teacher: str = ""
    teacher_question: str = ""


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be used, and why."""

    row: int
    reason: str


def read_examples(
    spec: DatasetSpec, rows: Iterable[tuple[int, Row | DataError]], seed: int
) -> tuple[list[Example], list[Rejected]]:
    """All usable rows, and the others with their reasons. `seed` decides the order of a choice's options."""
    examples: list[Example] = []
    rejected: list[Rejected] = []
    for number, row in rows:
        try:
            if isinstance(row, DataError):
                raise row
            examples.append(_read(spec, number, row, seed))
        except DataError as error:
            rejected.append(Rejected(number, str(error)))
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            rejected.append(Rejected(number, f"not in the published layout ({type(error).__name__}: {error})"))
    return examples, rejected


def _read(spec: DatasetSpec, number: int, row: Row, seed: int) -> Example:
    match spec.rows:
        case "plain":
            question = _text(row, spec.columns["question"])
            solution = _text(row, spec.columns["solution"], default="") if "solution" in spec.columns else ""
            return Example(number, question, spec.verifier, _text(row, spec.columns["answer"]), solution=solution)
        case "gpqa":
            return _gpqa(number, row, seed)
        case "taco":
            question = _text(row, ["question"])
            if starter := str(row.get("starter_code") or "").strip():
                question += f"\n\nStart from this code:\n\n```python\n{starter}\n```"
            tests = _input_output(_text(row, ["input_output"]), _amount(row.get("time_limit"), _TIMES))
            return Example(number, question, "code", tests.to_json())
        case "codeforces":
            return _codeforces(number, row)
        case "verl":
            question = _question_of(row)
            if spec.verifier == "code":
                tests = _input_output(_text(row, ["reward_model.ground_truth"]), None)
                return Example(number, question, "code", tests.to_json())
            return Example(number, question, spec.verifier, _text(row, ["reward_model.ground_truth"]))


def _gpqa(number: int, row: Row, seed: int) -> Example:
    """Four options in an order that depends on the seed and the question alone."""
    question = _text(row, ["Question"])
    correct = _text(row, ["Correct Answer"])
    options = [correct, *(_text(row, [f"Incorrect Answer {i}"]) for i in (1, 2, 3))]
    order = generator(seed, "choices", question).permutation(len(options))
    shuffled = tuple(options[i] for i in order)
    return Example(number, question, "choice", LETTERS[order.tolist().index(0)], choices=shuffled)


def _codeforces(number: int, row: Row) -> Example:
    if row.get("input_mode") not in (None, "stdio"):
        raise DataError(f"its input_mode is {row['input_mode']!r}; only stdio can be run")
    tests = row.get("official_tests") or []
    if not tests:
        raise DataError("no official_tests")
    if not row.get("official_tests_complete"):
        raise DataError("its official_tests are not complete; the generated ones that fill the gap are not read")
    if row.get("interaction_format"):
        raise DataError("an interactive problem; its tests cannot be run")
    parts = [_text(row, ["description"])]
    for title, name in (("Input", "input_format"), ("Output", "output_format"), ("Note", "note")):
        if row.get(name):
            parts.append(f"{title}\n{row[name]}")
    for example in row.get("examples") or []:
        parts.append(f"Example\nInput:\n{example['input']}\nOutput:\n{example['output']}")
    code_tests = CodeTests(
        inputs=[test["input"] for test in tests],
        outputs=[test["output"] for test in tests],
        checker=row.get("generated_checker") or None,
        seconds=_amount(row.get("time_limit"), _TIMES) or CodeTests.seconds,
        memory_mb=math.ceil(_amount(row.get("memory_limit"), _SIZES) or CodeTests.memory_mb),
    )
    return Example(number, "\n\n".join(parts), "code", code_tests.to_json())


def _input_output(text: str, seconds: float | None) -> CodeTests:
    """The test layout of APPS, TACO and Eurus: inputs, outputs and, for functions, fn_name."""
    value = from_json(text)
    if not isinstance(value, dict) or not isinstance(value.get("inputs"), list):
        raise DataError("its tests have no inputs")
    function = value.get("fn_name") or None
    inputs, outputs = value["inputs"], value.get("outputs")
    if not isinstance(outputs, list):
        raise DataError("its tests have no outputs")
    if function is None:  # some rows hold a list of lines for a text
        inputs, outputs = ([_joined(item) for item in items] for items in (inputs, outputs))
    return CodeTests(inputs=inputs, outputs=outputs, function=function, seconds=seconds or CodeTests.seconds)


def _joined(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _amount(value: Any, units: dict[str, float]) -> float | None:
    """``2.0 seconds``, ``1000 ms`` or ``2`` in the unit that is 1; None where a row has none.

    Raises `DataError` for what is no amount, rather than run programs with another limit.
    """
    if str(value or "none").strip().lower() in ("", "none", "null", "nan"):
        return None
    if not (match := _AMOUNT.fullmatch(str(value).strip().lower())):
        raise DataError(f"a limit of {value!r}, expected such as {next(iter(units))}")
    unit = next((factor for name, factor in units.items() if match[2] in (name, f"{name}s")), None)
    if unit is None and match[2]:
        raise DataError(f"a limit in {match[2]!r}, expected {', '.join(units)}")
    return float(match[1].replace(",", ".")) * (unit or 1.0)


def _question_of(row: Row) -> str:
    """The question of a row in verl's layout: apart in extra_info, else the last user turn of the prompt."""
    extra = row.get("extra_info")
    if isinstance(extra, dict) and isinstance(extra.get("question"), str) and extra["question"].strip():
        return extra["question"].strip()
    turns = row.get("prompt")
    if isinstance(turns, list):
        spoken = [turn.get("content") for turn in turns if isinstance(turn, dict) and turn.get("role") == "user"]
        if spoken and isinstance(spoken[-1], str) and spoken[-1].strip():
            return spoken[-1].strip()
    raise DataError("no question in extra_info or prompt")


def _text(row: Row, names: list[str], default: str | None = None) -> str:
    """The first of the columns that the row has, as text; the default, if any, where it has none."""
    for name in names:
        value: Any = row
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None or (isinstance(value, float) and math.isnan(value)):  # how some writers put nothing
            continue
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise DataError(f"{name!r} holds {type(value).__name__}, expected text")
        if not (text := str(value).strip()):
            raise DataError(f"{name!r} is empty")
        return text
    if default is not None:
        return default
    have = ", ".join(map(str, row)) or "none"
    raise DataError(f"no column {' or '.join(map(repr, names))}; the columns are {have}")
