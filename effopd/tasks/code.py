"""Programs: taken out of a completion, run against tests in a sandbox, and compared with the expected output.

The reference answer of such a problem is a JSON object, see `CodeTests`. Verdicts do not depend on how busy the machine
is: time is CPU time, and time asleep. Where the machine may have decided all the same, a program is run once more,
alone; what cannot be judged then is an error, never a wrong answer.
"""

from __future__ import annotations

import ast
import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from effopd.files import DataError, canonical_json
from effopd.json_text import from_json, to_json
from effopd.sandbox import programs
from effopd.sandbox.run import SandboxError, check_sandbox
from effopd.sandbox.watch import Limits, NotJudgedError, Outcome
from effopd.tasks.problems import Problem
from effopd.tasks.solution import LONGEST_PROGRAM, extract_program
from effopd.tasks.verdict import Verdict, not_judged, right, shortened, wrong

TASK = "code"
INTERPRETED = 5.0  # Python gets this many times the time limit that a contest sets for compiled programs
ALONE_SECONDS = 1800.0  # by the clock, for all programs of one call that are run once more


@dataclass(frozen=True)
class CodeTests:
    """What a program is held to.

    inputs, outputs: for a program that reads stdin, texts; for a function, its list of arguments and its result, or a
    text with a line for each argument, and one for the result.
    function: the function or method to call; None for stdin and stdout.
    checker: a Python program that judges an output where several are right. It is called with the names of three
    files, input, expected output and output, and prints 1 or 0 (or a score).
    seconds: CPU time for one test of a compiled program. memory_mb: of address space beyond the interpreter's own.
    """

    inputs: list[Any]
    outputs: list[Any]
    function: str | None = None
    checker: str | None = None
    seconds: float = 2.0
    memory_mb: int = 512

    def __post_init__(self) -> None:
        if not (isinstance(self.inputs, list) and isinstance(self.outputs, list)):
            raise ValueError("inputs and outputs must be lists")
        if len(self.inputs) != len(self.outputs) or not self.inputs:
            raise ValueError(
                f"{len(self.inputs)} inputs and {len(self.outputs)} outputs; expected as many, at least one"
            )
        if self.function is None and not all(isinstance(text, str) for text in [*self.inputs, *self.outputs]):
            raise ValueError("inputs and outputs of a program must be texts")
        if self.function is not None and all(isinstance(arguments, str) for arguments in self.inputs):
            object.__setattr__(self, "inputs", [_arguments(text) for text in self.inputs])
            object.__setattr__(self, "outputs", [_literal(result) for result in self.outputs])
        if self.function is not None and not all(isinstance(arguments, list) for arguments in self.inputs):
            raise ValueError("each input of a function must be its list of arguments")
        if not all(text is None or (isinstance(text, str) and text) for text in (self.function, self.checker)):
            raise ValueError("function and checker must be texts")
        if not isinstance(self.seconds, (int, float)) or not 0 < self.seconds <= 3600:
            raise ValueError("seconds must be a number above 0, at most 3600")
        if not isinstance(self.memory_mb, int) or not 0 < self.memory_mb <= 1 << 20:
            raise ValueError(f"memory_mb must be a whole number above 0, at most {1 << 20}")

    def to_json(self) -> str:
        return canonical_json({name: value for name, value in asdict(self).items() if value is not None})


@dataclass(frozen=True)
class _Result:
    """How one program did: its verdict, and whether the machine may have reached it."""

    verdict: Verdict
    doubtful: bool = False


def check_runnable() -> None:
    """Raise `SandboxError` when programs that models write cannot be run in a sandbox here."""
    try:
        check_sandbox()
    except SandboxError as error:
        raise SandboxError(f"to grade programs, bubblewrap is needed: {error}") from None


def verify_all(
    problems: Sequence[Problem], completions: Sequence[str], *, workers: int, allow_unsandboxed: bool = False
) -> list[Verdict]:
    """Grade completions in parallel; never raises on what a model writes.

    Raises `SandboxError` when there is no sandbox here, unless `allow_unsandboxed`, `DataError` for tests of the wrong
    shape, and `NotJudgedError` where a machine as busy as this cannot judge.
    """
    sandboxed = True
    try:
        check_runnable()
    except SandboxError:
        if not allow_unsandboxed:
            raise
        sandboxed = False
    tests = [_read_tests(problem) for problem in problems]
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(partial(_judged, sandboxed=sandboxed), tests, completions))
    judge = partial(_judge, sandboxed=sandboxed)
    deadline = time.monotonic() + ALONE_SECONDS
    for row, (test, completion) in enumerate(zip(tests, completions, strict=True)):
        result = results[row]
        if result.doubtful and (not result.verdict.judged or time.monotonic() < deadline):
            results[row] = judge(test, completion)  # alone: the others are done
    return [result.verdict for result in results]


def same_output(expected: str, output: str) -> bool:
    """Equal but for white space at line ends and the file's end; numbers with a fraction may differ by 1e-6."""
    expected_lines, lines = ([line.split() for line in text.rstrip().splitlines()] for text in (expected, output))
    if expected_lines == lines:
        return True
    expected_tokens, tokens = ([token for line in of for token in line] for of in (expected_lines, lines))
    return len(expected_tokens) == len(tokens) and all(map(_same_token, expected_tokens, tokens))


def same_value(expected: Any, value: Any) -> bool:
    """Equal JSON values; numbers with a fraction may differ by 1e-6, and a true is not a 1."""
    if isinstance(expected, bool) or isinstance(value, bool):
        return expected is value
    if isinstance(expected, float) and isinstance(value, (int, float)):
        try:
            return expected == value or math.isclose(expected, value, rel_tol=1e-6, abs_tol=1e-6)
        except OverflowError:  # a whole number that is larger than all of them
            return False
    if isinstance(expected, list) and isinstance(value, list):
        return len(expected) == len(value) and all(map(same_value, expected, value))
    if isinstance(expected, dict) and isinstance(value, dict):
        return expected.keys() == value.keys() and all(same_value(expected[key], value[key]) for key in expected)
    return bool(expected == value)


def _judged(tests: CodeTests, completion: str, sandboxed: bool) -> _Result:
    try:
        return _judge(tests, completion, sandboxed)
    except NotJudgedError as error:
        return _Result(not_judged(str(error)), doubtful=True)


def _judge(tests: CodeTests, completion: str, sandboxed: bool) -> _Result:
    found = extract_program(completion)
    if found is None:
        return _Result(wrong("no program found"))
    language, source = found
    if len(source) > LONGEST_PROGRAM:
        return _Result(wrong(f"the program has {len(source)} characters"))
    if tests.function is not None and language != "python":
        return _Result(wrong("a Python function was asked for"))
    program = programs.prepare(language, source, function=tests.function, sandboxed=sandboxed)
    if isinstance(program, str):
        return _Result(wrong(f"does not compile: {shortened(program, 160)}"))
    factor = INTERPRETED if language == "python" else 1.0
    seconds = max(1, math.ceil(tests.seconds * factor))
    limits = Limits(seconds, memory=(tests.memory_mb + 256) << 20)
    total = len(tests.inputs)
    for number, (given, expected) in enumerate(zip(tests.inputs, tests.outputs, strict=True), start=1):
        failure = None
        for stdin in _stdins(tests, given):
            outcome = program.run(stdin.encode("utf-8", "surrogatepass"), limits)
            failure = _failure(f"test {number} of {total}", tests, given, expected, outcome, sandboxed)
            if failure is None:
                break
        if failure is not None:
            return failure
    return _Result(right(f"passed {total} {'test' if total == 1 else 'tests'}"))


def _stdins(tests: CodeTests, given: Any) -> list[str]:
    """What a program reads; a function gets its arguments as JSON has them, or, where JSON may have made texts of
    whole numbers that are keys, else with those numbers."""
    if tests.function is None:
        return [given]
    return [to_json([given, whole]) for whole in (False, True)[: 1 + _has_digits_for_keys(given)]]


def _failure(
    test: str, tests: CodeTests, given: Any, expected: Any, outcome: Outcome, sandboxed: bool
) -> _Result | None:
    """What is wrong with how a program did on one test; None where nothing is."""
    if not outcome.succeeded:
        return _Result(wrong(f"{test}: {_complaint(outcome)}"), outcome.doubtful)
    if _as_expected(tests, expected, outcome):
        return None
    doubtful = False
    if tests.checker is not None and tests.function is None:
        checked = programs.check(tests.checker, given, expected, outcome.stdout, sandboxed=sandboxed)
        if _approves(checked):
            return None
        reference = programs.check(tests.checker, given, expected, expected.encode(), sandboxed=sandboxed)
        if not _approves(reference):
            reason = not_judged(f"{test}: the checker of the data fails on the expected output")
            return _Result(reason, reference.doubtful)
        doubtful = checked.doubtful
    return _Result(wrong(f"{test}: wrong output {shortened(_text(outcome))!r}"), doubtful)


def _as_expected(tests: CodeTests, expected: Any, outcome: Outcome) -> bool:
    if tests.function is None:
        return same_output(expected, _text(outcome))
    try:
        value = from_json(_text(outcome))
    except (ValueError, RecursionError):
        return bool(expected == _text(outcome))
    # some published tests wrap a result in a list of one
    return same_value(expected, value) or (
        isinstance(expected, list) and len(expected) == 1 and same_value(expected[0], value)
    )


def _approves(checked: Outcome) -> bool:
    """Whether a checker accepts an output: its last word counts, however it ends after that."""
    words = checked.stdout.decode("utf-8", "replace").split()
    if checked.end != "exit" or not words:
        return False
    try:
        return float(words[-1]) >= 1.0
    except ValueError:
        return words[-1].lower() == "true"


def _read_tests(problem: Problem) -> CodeTests:
    try:
        return CodeTests(**from_json(problem.answer))
    except (ValueError, TypeError) as error:
        raise DataError(f"the tests of {shortened(problem.prompt)!r} are of the wrong shape: {error}") from None


def _complaint(outcome: Outcome) -> str:
    match outcome.end:
        case "output":
            return "too much output"
        case "files":
            return "too many files"
        case "sleep":
            return "asleep for too long"
        case "cpu time" | "threads":
            return f"out of {outcome.end}"
    last = shortened((outcome.stderr.strip().splitlines() or [""])[-1], 120)
    if outcome.end == "signal":
        return f"ended by signal {outcome.status}" + (f" ({last})" if last else "")
    return f"exit status {outcome.status} ({last})"


def _text(outcome: Outcome) -> str:
    return outcome.stdout.decode("utf-8", "replace")


def _same_token(expected: str, token: str) -> bool:
    if expected == token:
        return True
    if "." not in expected and "e" not in expected.lower():
        return False
    try:
        return math.isclose(float(expected), float(token), rel_tol=1e-6, abs_tol=1e-6)
    except ValueError:
        return False


def _arguments(text: str) -> list[Any]:
    """A list of arguments from a text with a line for each; a text that is none of that is the only argument."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return [_parsed(line) for line in lines] or [text]
    except ValueError:
        return [text]


def _literal(text: Any) -> Any:
    try:
        return _parsed(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _parsed(text: str) -> Any:
    """A value in JSON, or as Python writes it. Raises `ValueError` for anything else."""
    try:
        return from_json(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:
        try:
            return json.loads(json.dumps(ast.literal_eval(text)))  # tuples as lists, and nothing that JSON has not
        except (SyntaxError, TypeError, MemoryError, RecursionError):
            raise ValueError("no value") from None


def _has_digits_for_keys(value: Any) -> bool:
    if isinstance(value, dict):
        digits = bool(value) and all(key.removeprefix("-").isdecimal() for key in value)
        return digits or any(map(_has_digits_for_keys, value.values()))
    return isinstance(value, list) and any(map(_has_digits_for_keys, value))
