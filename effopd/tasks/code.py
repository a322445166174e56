"""Programs: taken out of a completion, run against tests in a sandbox, and compared with the expected output.

The reference answer of such a problem is a JSON object, see `CodeTests`. Verdicts do not depend on how busy the machine
is: time is CPU time, and time asleep. Where the machine may have decided all the same, a program is run once more,
alone; what cannot be judged then is an error, never a wrong answer.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

from effopd.errors import MachineError
from effopd.files import DataError, canonical_json
from effopd.sandbox import programs
from effopd.sandbox.run import SandboxError, check_sandbox
from effopd.sandbox.watch import Limits, NotJudgedError, Outcome
from effopd.tasks.problems import Problem
from effopd.tasks.verdict import Verdict, right, shortened, wrong

TASK = "code"
LONGEST_PROGRAM = 200_000  # characters
INTERPRETED = 5.0  # Python gets this many times the time limit that a contest sets for compiled programs
ALONE_SECONDS = 1800.0  # by the clock, for all programs of one call that are run once more

_FENCE = re.compile(
    r"^((?:[ \t]*(?:[-*+]|\d{1,3}[.)])(?=[ \t]))?[ \t]*)(```+|~~~+)[ \t]*([\w+#.-]*)[^\n]*\n(.*?)^[ \t]*\2[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
_LANGUAGES: dict[str, Literal["python", "c++"]] = {
    "python": "python", "python3": "python", "py": "python", "py3": "python", "pypy": "python", "pypy3": "python",
    "cpp": "c++", "c++": "c++", "cc": "c++", "cxx": "c++",
    "cpp11": "c++", "cpp14": "c++", "cpp17": "c++", "cpp20": "c++",
    "c++11": "c++", "c++14": "c++", "c++17": "c++", "c++20": "c++",
}  # fmt: skip


@dataclass(frozen=True)
class CodeTests:
    """What a program is held to.

    inputs, outputs: for a program that reads stdin, texts; for a function, its list of arguments and its result.
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
    """How one program did: its verdict, None where it could not be judged; and whether the machine may have decided."""

    verdict: Verdict | None
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
    shape, and `MachineError` where a program cannot be judged on a machine as busy as this.
    """
    sandboxed = True
    try:
        check_runnable()
    except SandboxError:
        if not allow_unsandboxed:
            raise
        sandboxed = False
    tests = [_read_tests(problem) for problem in problems]
    judge = partial(_judged, sandboxed=sandboxed)
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(judge, tests, completions))
    deadline = time.monotonic() + ALONE_SECONDS
    for row, (test, completion) in enumerate(zip(tests, completions, strict=True)):
        if results[row].doubtful and time.monotonic() < deadline:
            results[row] = judge(test, completion)  # alone: the others are done
    verdicts = [result.verdict for result in results if result.verdict is not None]
    if unjudged := len(results) - len(verdicts):
        raise MachineError(
            f"{unjudged} of {len(results)} programs could not be judged, since this machine is too busy: run it again "
            "when less runs beside it; it goes on from what is done"
        )
    return verdicts


def extract_program(completion: str) -> tuple[Literal["python", "c++"], str] | None:
    """The last fenced block in a known language, else the last fenced block, else bare code; and its language."""
    text = after_thinking_code(completion)
    blocks = [(m[3].lower(), _outdented(m[4], len(m[1]))) for m in _FENCE.finditer(text) if m[4].strip()]
    known = [(_LANGUAGES[name], code) for name, code in blocks if name in _LANGUAGES]
    if known:
        return known[-1]
    unnamed = [code for name, code in blocks if name in ("", "c")]
    if unnamed:
        return _guess_language(unnamed[-1]), unnamed[-1]
    if not blocks and _looks_like_code(text):
        return _guess_language(text), text
    return None


def _outdented(block: str, indent: int) -> str:
    """A block without the indent of its fence, as in a list, where its first line has any of it."""
    first = block.lstrip("\r\n")
    indent = min(indent, len(first) - len(first.lstrip(" \t")))
    return re.sub(rf"^[ \t]{{1,{indent}}}", "", block, flags=re.MULTILINE) if indent else block


def after_thinking_code(completion: str) -> str:
    """What stands behind a model's thinking; programs are longer than other answers, so nothing else is cut off."""
    if len(completion) > 4 * LONGEST_PROGRAM:
        completion = completion[-4 * LONGEST_PROGRAM :]
    _, closed, answer = completion.rpartition("</think>")
    return answer if closed and answer.strip() else completion


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
        return expected == value or math.isclose(expected, value, rel_tol=1e-6, abs_tol=1e-6)
    if isinstance(expected, list) and isinstance(value, list):
        return len(expected) == len(value) and all(map(same_value, expected, value))
    if isinstance(expected, dict) and isinstance(value, dict):
        return expected.keys() == value.keys() and all(same_value(expected[key], value[key]) for key in expected)
    return bool(expected == value)


def _judged(tests: CodeTests, completion: str, sandboxed: bool) -> _Result:
    try:
        return _judge(tests, completion, sandboxed)
    except NotJudgedError:
        return _Result(None, doubtful=True)


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
        stdin = given if tests.function is None else json.dumps(given)
        outcome = program.run(stdin.encode("utf-8", "surrogatepass"), limits)
        if not outcome.succeeded:
            return _Result(wrong(f"test {number} of {total}: {_complaint(outcome)}"), outcome.doubtful)
        if not _accepts(tests, given, expected, outcome, sandboxed):
            return _Result(wrong(f"test {number} of {total}: wrong output {shortened(_text(outcome))!r}"))
    return _Result(right(f"passed {total} {'test' if total == 1 else 'tests'}"))


def _accepts(tests: CodeTests, given: Any, expected: Any, outcome: Outcome, sandboxed: bool) -> bool:
    if tests.function is not None:
        try:
            value = json.loads(_text(outcome))
        except (ValueError, RecursionError):
            return False
        # some published tests wrap a result in a list of one
        return same_value(expected, value) or (
            isinstance(expected, list) and len(expected) == 1 and same_value(expected[0], value)
        )
    if tests.checker is None:
        return same_output(expected, _text(outcome))
    verdict = programs.check(tests.checker, given, expected, outcome.stdout, sandboxed=sandboxed)
    words = verdict.stdout.decode("utf-8", "replace").split()
    try:
        return verdict.succeeded and bool(words) and float(words[-1]) >= 1.0
    except ValueError:
        return words[-1].lower() == "true"


def _read_tests(problem: Problem) -> CodeTests:
    try:
        return CodeTests(**json.loads(problem.answer))
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


def _guess_language(source: str) -> Literal["python", "c++"]:
    return "c++" if re.search(r"^\s*#\s*include\b|\bint\s+main\s*\(", source, re.MULTILINE) else "python"


def _looks_like_code(text: str) -> bool:
    start = text.lstrip()
    if re.match(
        r"(?:#include\b|import \w|from \w+ import\b|def \w+\(|class \w+|print\(|\w+ ?= ?|for \w+ in |n, )", start
    ):
        return True
    return bool(re.search(r"^(?:int main\(|def \w+\(.*\):|print\(.*\)\s*$)", text, re.MULTILINE))
