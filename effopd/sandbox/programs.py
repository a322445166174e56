"""Python and C++ programs, made ready once and run for each test; function calls; and checkers of outputs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from effopd.sandbox.run import BOX, PYTHON, run
from effopd.sandbox.watch import Limits, Outcome

_COMPILE = Limits(cpu_seconds=30, memory=4 << 30, scratch=256 << 20, output=64 << 20, processes=True)
_CHECK = Limits(cpu_seconds=10)
_INTERPRETER = (PYTHON, "-I", "-S", "-B", "-X", "int_max_str_digits=0")

# What the judges of contests have that Python without its site module has not.
_AS_JUDGES_DO = """\
import builtins, _sitebuiltins
builtins.exit, builtins.quit = (_sitebuiltins.Quitter(name, "") for name in ("exit", "quit"))
with open("/box/solution.py", "rb") as file:
    program = compile(file.read(), "solution.py", "exec")
"""

_MAIN = (
    _AS_JUDGES_DO
    + """\
del builtins, _sitebuiltins, file
exec(program)
"""
)

# Calls a function of the program with the JSON arguments on stdin. What the program prints goes to stderr; only this
# driver writes to the real stdout. The expected result is not in the sandbox, so there is nothing to cheat with. Names
# are those that judges import beforehand; a module such as `bisect` is also its function of that name.
_DRIVER = (
    _AS_JUDGES_DO
    + """\
import os, sys
answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
import bisect, collections, copy, datetime, decimal, fractions, functools, heapq, itertools, json, math, operator
import pprint, random, re, statistics, string, time, typing
sys.setrecursionlimit(100_000)
names = {"__name__": "solution"}
for module in (
    bisect, collections, copy, datetime, decimal, fractions, functools, heapq, itertools, math, operator, random,
    statistics, string, time, typing,
):
    own = getattr(module, "__all__", dir(module))
    names.update({name: getattr(module, name) for name in own if name[0] != "_" and not hasattr(builtins, name)})
for module in (
    bisect, collections, copy, datetime, decimal, fractions, functools, heapq, itertools, json, math, operator, os,
    pprint, random, re, statistics, string, sys, time, typing,
):
    names[module.__name__] = module
class Module(type(sys)):
    def __call__(self, *arguments, **options):
        return getattr(self, self.__name__)(*arguments, **options)
    def __getattr__(self, name):
        return getattr(self.__dict__[self.__name__], name)
for module in (bisect, copy, datetime, pprint, random, time):
    module.__class__ = Module
def with_whole_keys(value):
    if isinstance(value, list):
        return [with_whole_keys(item) for item in value]
    if isinstance(value, dict):
        whole = bool(value) and all(key.removeprefix("-").isdecimal() for key in value)
        return {int(key) if whole else key: with_whole_keys(item) for key, item in value.items()}
    return value
arguments, whole_keys = json.loads(sys.stdin.read())
if whole_keys:
    arguments = with_whole_keys(arguments)
exec(program, names)
name = FUNCTION
call = names.get(name) if callable(names.get(name)) else getattr(names["Solution"](), name)
result = call(*arguments)
json.dump(result, answer, default=lambda value: sorted(value) if isinstance(value, (set, frozenset)) else list(value))
answer.close()
"""
)


@dataclass(frozen=True)
class Program:
    """A program ready to run: its command, and its files by name."""

    command: tuple[str, ...]
    files: dict[str, bytes]
    sandboxed: bool

    def run(self, stdin: bytes, limits: Limits) -> Outcome:
        return run(self.command, files=self.files, stdin=stdin, limits=limits, sandboxed=self.sandboxed)


def prepare(
    language: Literal["python", "c++"], source: str, *, function: str | None = None, sandboxed: bool = True
) -> Program | str:
    """A program that reads stdin, or that calls `function` with the JSON list on stdin; or the compiler's complaint.

    Raises `SandboxError` when there is no sandbox.
    """
    text = source.encode("utf-8", "replace")
    match language:
        case "python":
            driver = _MAIN if function is None else _DRIVER.replace("FUNCTION", json.dumps(function))
            files = {"main.py": _from(driver, sandboxed=sandboxed), "solution.py": text}
            return Program((*_INTERPRETER, f"{BOX}/main.py"), files, sandboxed)
        case "c++":
            return _compile(text, sandboxed)


def check(checker: str, given: str, expected: str, output: bytes, *, sandboxed: bool) -> Outcome:
    """Run a checker on one output. It is data too, and may be as wrong as a program, so it runs as confined."""
    files = {
        "checker.py": _from(_MAIN, sandboxed=sandboxed), "solution.py": checker.encode(), "input.txt": given.encode(),
        "expected.txt": expected.encode(), "output.txt": output,
    }  # fmt: skip
    names = [f"{BOX}/{name}" for name in ("checker.py", "input.txt", "expected.txt", "output.txt")]
    return run([*_INTERPRETER, *names], files=files, stdin=b"", limits=_CHECK, sandboxed=sandboxed)


def _from(driver: str, *, sandboxed: bool) -> bytes:
    """A driver that finds the program where it lies."""
    return (driver if sandboxed else driver.replace('"/box/', '"')).encode()


def _compile(source: bytes, sandboxed: bool) -> Program | str:
    # the result leaves the sandbox through stdout, so that no folder of this machine is writable from inside
    # C++20 took names, such as std::span, that older programs have for their own
    compiler = f"g++ -x c++ -O2 -DONLINE_JUDGE -pipe {BOX}/main.cpp -o /tmp/program"
    script = f"{{ {compiler} -std=gnu++20 || {compiler} -std=gnu++17; }} && cat /tmp/program"
    if not sandboxed:
        script = script.replace("/tmp/program", "./program").replace(f"{BOX}/", "./")  # noqa: S108
    outcome = run(
        ["/bin/sh", "-c", script], files={"main.cpp": source}, stdin=b"", limits=_COMPILE, sandboxed=sandboxed
    )
    if not outcome.succeeded:
        return outcome.stderr.strip() or f"the compiler met its limit ({outcome.end})"
    return Program((f"{BOX}/program",), {"program": outcome.stdout}, sandboxed)
