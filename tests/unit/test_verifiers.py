"""Verdicts against independent truth: cases judged by hand, real reference answers, and text made to break parsers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import choice_cases
import code_cases
import math_cases
import pytest
import tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from installed import needs_bubblewrap
from real_rows import FILES, ROWS, needs_real_rows

from effopd.datasets.load import load_rows
from effopd.datasets.rows import Example, read_examples
from effopd.datasets.spec import read_spec, spec_file
from effopd.evaluation.accuracy import grade
from effopd.evaluation.references import check_references
from effopd.files import DataError
from effopd.sandbox import watch
from effopd.sandbox.run import SandboxError
from effopd.sandbox.watch import Limits, NotJudgedError
from effopd.tasks import choice, code, exact, math, verifiers
from effopd.tasks.code import CodeTests, extract_program, same_output, same_value
from effopd.tasks.extraction import last_boxed
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import check_gradable, score_all, verify_all
from effopd.train.distill import distill
from effopd.train.rl import reinforce
from effopd.train.training import Training
from stages import benchmark

GRADING = Path(__file__).parents[2] / "benchmarks" / "grading.py"


def test_the_rates_of_a_missing_file_are_refused_in_a_line_that_names_it(tmp_path: Path) -> None:
    command = [sys.executable, str(GRADING), "math500", str(tmp_path / "math500.jsonl")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"grading.py: {tmp_path / 'math500.jsonl'}: no such file\n"


def test_at_least_200_mathematical_cases_are_judged_as_by_hand() -> None:
    problems = [Problem("math", "", gold) for _, gold, _ in math_cases.CASES]
    verdicts = verify_all(problems, [completion for completion, _, _ in math_cases.CASES], workers=2)
    wrong = [
        (completion, gold, verdict.reason)
        for (completion, gold, right), verdict in zip(math_cases.CASES, verdicts, strict=True)
        if bool(verdict.score) != right
    ]
    assert wrong == []
    assert len(math_cases.CASES) >= 200


@pytest.mark.parametrize(("completion", "letter"), choice_cases.CASES + choice_cases.VARIANTS)
def test_a_choice_is_read_as_by_hand(completion: str, letter: str | None) -> None:
    assert choice.extract_letter(completion) == letter


@pytest.mark.slow
@needs_bubblewrap
def test_at_least_60_programs_are_judged_as_by_hand() -> None:
    cases = code_cases.CASES + code_cases.VARIANTS
    problems = [Problem("code", "", tests.to_json()) for _, tests, _ in cases]
    verdicts = verify_all(problems, [completion for completion, _, _ in cases], workers=2)
    wrong = [
        (completion, verdict.reason)
        for (completion, _, right), verdict in zip(cases, verdicts, strict=True)
        if bool(verdict.score) != right
    ]
    assert wrong == []
    assert len(cases) >= 60


@needs_bubblewrap
def test_a_few_programs_are_judged_as_by_hand() -> None:
    chosen = code_cases.CASES[:2] + code_cases.CASES[3:4] + code_cases.CASES[54:57]
    problems = [Problem("code", "", tests.to_json()) for _, tests, _ in chosen]
    verdicts = verify_all(problems, [completion for completion, _, _ in chosen], workers=2)
    assert [bool(verdict.score) for verdict in verdicts] == [right for _, _, right in chosen]


@needs_bubblewrap
def test_a_checker_that_fails_is_the_datas_fault_and_no_wrong_answer() -> None:
    for checker in (
        "raise RuntimeError",
        "print()",
        "print(float('nan'), 'maybe')",
        "while True: pass",
        "print(0)",
        "x =",
    ):
        tests = CodeTests(inputs=["12\n"], outputs=["3 4\n"], checker=checker, seconds=0.2).to_json()
        other, same = verify_all(
            [Problem("code", "", tests)] * 2, [code_cases.py("print(2, 6)"), code_cases.py("print(3, 4)")]
        )
        assert (other.score, other.judged) == (0.0, False)
        assert other.reason == "not judged: test 1 of 1: the checker of the data fails on the expected output"
        assert (same.score, same.judged) == (1.0, True), "what is expected word for word needs no checker"
    tests = code_cases.FACTORS.to_json()
    wrong = verify_all([Problem("code", "", tests)], [code_cases.py("print('hello')")])[0]
    assert (wrong.score, wrong.judged) == (0.0, True)


def test_numbers_and_fractions_need_no_algebra_to_be_told_apart() -> None:
    same = [("1/2", "2/4"), ("\\frac12", "0.5"), ("-\\frac{1}{2}", "-1/2"), ("1,000", "1000.0"), ("\\dfrac{6}{3}", "2")]
    other = [("1/2", "1/3"), ("\\frac12", "-\\frac12"), ("7", "\\frac{7}{2}"), ("1000", "1001")]
    for pairs, score in ((same, 1.0), (other, 0.0)):
        for pair in pairs:
            verdict = math.compare_plainly(*pair, 0.0)
            assert verdict is not None and verdict.score == score, pair
    for pair in (("1/3", "0.333333"), ("\\frac{1}{0}", "1"), ("1/2", "x/2")):  # left to the comparison of values
        assert math.compare_plainly(*pair, 0.0) is None


SENTENCE_EXCEPTIONS = {"minerva.jsonl": 1}  # an answer that is itself two formulas
SAME_VALUE = {"math500.jsonl": 2}  # 180° and π, in both orders


@needs_real_rows
@pytest.mark.parametrize("file", FILES)
def test_real_reference_answers_grade_themselves_as_right_and_each_other_as_wrong(file: str) -> None:
    name, rows = FILES[file]
    spec = read_spec(spec_file(name))
    examples, rejected = read_examples(spec, load_rows(spec, ROWS / file), seed=0)
    assert (len(examples), rejected) == (rows, [])
    sample = examples if rows <= 500 else examples[::20]  # `effopd references` takes all
    found = check_references(sample)
    assert found.graded == len(sample) and found.boxed == []
    assert len(found.said) <= SENTENCE_EXCEPTIONS.get(file, 0)
    assert len(found.others) <= SAME_VALUE.get(file, 0)


def test_a_reference_that_does_not_grade_itself_is_named() -> None:
    examples = [
        Example(4, "?", "math", "2"),
        Example(9, "?", "math", "\\sqrt{4}"),
        Example(7, "?", "math", "\\boxed{"),
    ]
    found = check_references(examples)
    assert [case.row for case in found.boxed] == [7]
    assert [case.row for case in found.others] == [4]  # against row 9: the same value, written differently
    with pytest.raises(DataError, match="tests of programs"):
        check_references([Example(1, "?", "code", "{}")])


@pytest.mark.parametrize(
    "answer",
    ["9^{9^{9^{9}}}", "100!!!!!!", "(" * 900 + "x" + ")" * 900, "\\frac{1}{" * 120 + "x" + "}" * 120, "10^{10^{10}}!"],
)
def test_an_answer_that_cannot_be_computed_is_wrong_within_bounds(answer: str) -> None:
    began = time.monotonic()
    verdict = verify_all([Problem("math", "", "x^2+1")], [f"\\boxed{{{answer}}}"])[0]
    assert verdict.score == 0.0
    assert time.monotonic() - began < 120  # CPU limit 5 s, and start-up, on a busy machine
    assert score_all([Problem("math", "", "0.5")], ["\\boxed{\\frac12}"])[0] == 1.0  # the worker is back


def test_minervas_numbers_may_differ_by_one_percent_and_others_not() -> None:
    for answer, right in (("4.53 \\times 10^{33}", True), ("4.6e33", False), ("4.5 \\times 10^{32}", False)):
        assert score_all([Problem("math-approximate", "", "4.5e33")], [f"\\boxed{{{answer}}}"])[0] == right
        assert score_all([Problem("math", "", "4.5e33")], [f"\\boxed{{{answer}}}"])[0] == 0.0


def test_exact_answers_forgive_case_spacing_and_quotation_marks_only() -> None:
    problem = Problem("exact", "", "New Delhi")
    assert exact.verify(problem, "The answer is new  delhi.").score == 1.0
    assert exact.verify(problem, "Delhi").score == 0.0
    for text in (
        "\\boxed{\\text{New Delhi}}",
        '"New Delhi"',
        "It is “New Delhi.”",
        "The answer is:\n\nNew Delhi",
    ):
        assert exact.verify(problem, text).score == 1.0
    assert exact.verify(problem, "The answer is not New Delhi.").score == 0.0


def test_ten_million_characters_take_no_time() -> None:
    began = time.process_time()
    for text in (
        "x" * 10**7,
        "(" * 10**7,
        "\\boxed{" * 10**6,
        "answer " * 10**6,
        "\n" * 10**7,
        "$" * 10**7,
        "*" * 10**7,
    ):
        assert math.verify(Problem("math", "", "5"), text).score == 0.0
        assert choice.verify(Problem("choice", "", "A"), text).score == 0.0
        assert extract_program(text) is None or len(text) == 10**7
    assert time.process_time() - began < 20


PIECES = st.lists(
    st.sampled_from(
        ["\\boxed{", "}", "{", "$", "$$", "\\[", "\\]", "\\frac", "answer is ", "Answer: ", "</think>", "<think>", "\n",
         "A", "(B)", "1", "x", "=", "```python\n", "```", "print(1)", "\\text{", "\x00", "\ud800", "é", "%", "\\", "^"]
    ) | st.text(max_size=8),
    max_size=30,
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PIECES)
def test_no_text_makes_a_verifier_raise(pieces: list[str]) -> None:
    text = "".join(pieces)
    for problem in (Problem("math", "", "5"), Problem("choice", "", "A"), Problem("exact", "", "x")):
        verdict = verify_all([problem], [text])[0]
        assert verdict.score in (0.0, 1.0) and verdict.reason
    extract_program(text)


def test_boxes_are_found_whatever_surrounds_them() -> None:
    assert last_boxed("\\boxed{\\frac{1}{2}}") == "\\frac{1}{2}"
    assert last_boxed("\\boxed{\\{1\\}}") == "\\{1\\}"
    assert last_boxed("\\boxed{1} then } and { \\boxed{2}") == "2"
    assert last_boxed("\\boxed{1") is None


def test_output_is_compared_by_words_and_numbers() -> None:
    assert same_output("1 2\n3\n", "1  2 \n3")
    assert same_output("0.5", "0.5000001") and not same_output("0.5", "0.51")
    assert not same_output("5", "5.0") and not same_output("1 2", "1 2 3") and not same_output("a", "b")
    assert same_value([1, 2.0], [1, 2]) and not same_value(True, 1) and not same_value({"a": 1}, {"b": 1})


def test_programs_are_refused_without_a_sandbox_unless_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise SandboxError("bwrap is not installed")

    monkeypatch.setattr(code, "check_sandbox", missing)
    problem = Problem("code", "", CodeTests(inputs=["1\n"], outputs=["1\n"]).to_json())
    with pytest.raises(SandboxError, match=r"to grade programs, bubblewrap is needed: bwrap is not installed$"):
        verify_all([problem], ["```python\nprint(input())\n```"])
    assert verify_all([problem], ["```python\nprint(input())\n```"], allow_unsandboxed=True)[0].score == 1.0


def test_without_a_sandbox_nothing_is_sampled_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise SandboxError("bwrap is not installed")

    monkeypatch.setattr(code, "check_sandbox", missing)
    problems = [Problem("math", "", "1"), Problem("code", "", "{}")]
    nothing: Any = None  # neither engine nor sampler nor policy is touched
    training = Training(nothing, nothing, problems, nothing, seed=0, micro_batch=1)
    loops: list[Callable[[], object]] = [
        lambda: distill(training, nothing, tiny.OPD, 1e-3),
        lambda: reinforce(training, nothing, tiny.RL),
        lambda: grade(nothing, problems, samples=1, greedy=False, seed=0, max_new_tokens=1, batch_size=1),
        lambda: benchmark._check_gradable(problems),
    ]
    messages = []
    for loop in loops:
        with pytest.raises(SandboxError) as caught:
            loop()
        messages.append(str(caught.value))
    assert ["benchmark.allow_unsandboxed: true" in message for message in messages] == [False, False, False, True]
    assert all("bubblewrap is needed" in message for message in messages)
    check_gradable(problems[:1])


@needs_bubblewrap
def test_a_verdict_that_the_machine_may_have_reached_needs_a_second_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    judge = code._judge

    def killed_at_first(tests: CodeTests, completion: str, sandboxed: bool) -> code._Result:
        judged.append(completion)
        if len(judged) == 1:
            return code._Result(code.wrong("ended by signal 9"), doubtful=True)
        if len(judged) == 2:
            raise NotJudgedError
        return judge(tests, completion, sandboxed)

    monkeypatch.setattr(code, "_judge", killed_at_first)
    problem = Problem("code", "", CodeTests(inputs=["1\n"], outputs=["1\n"]).to_json())
    for verdict in verify_all([problem] * 2, ["```python\nprint(input())\n```"] * 2, workers=1):
        assert verdict.score == 1.0
    assert len(judged) == 4


@needs_bubblewrap
def test_what_cannot_be_judged_is_an_error_and_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a processor is reported as running, as here a sleeping program is."""
    monkeypatch.setattr(watch, "_tasks", lambda process: ("SSR", 0.0, process))
    monkeypatch.setattr(code, "Limits", partial(Limits, patience=1.0))
    problem = Problem("code", "", CodeTests(inputs=["1\n"], outputs=["1\n"]).to_json())
    with pytest.raises(NotJudgedError, match="not at its end after 1 s, since this machine is too busy"):
        verify_all([problem] * 2, ["```python\nimport time\ntime.sleep(1000)\n```", code_cases.py("print(input())")])


@needs_bubblewrap
def test_loops_and_sleepers_are_run_once_and_suicides_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    judge = code._judge

    def counted(tests: CodeTests, completion: str, sandboxed: bool) -> code._Result:
        judged.append(completion)
        return judge(tests, completion, sandboxed)

    monkeypatch.setattr(code, "_judge", counted)
    problem = Problem("code", "", CodeTests(inputs=["1\n"], outputs=["1\n"], seconds=0.2).to_json())
    ends = {
        "while True: pass": "out of cpu time",
        "import time\ntime.sleep(60)": "asleep for too long",
        "import os\nos.kill(os.getpid(), 9)": "ended by signal 9",
    }
    for source, ended in ends.items():
        assert verify_all([problem], [f"```python\n{source}\n```"])[0].reason == f"test 1 of 1: {ended}"
    assert [sum(source in completion for completion in judged) for source in ends] == [1, 1, 2]


@needs_bubblewrap
def test_a_thread_bomb_has_an_ordinary_verdict_that_says_so() -> None:
    problem = Problem("code", "", CodeTests(inputs=["1\n"], outputs=["1\n"], seconds=1).to_json())
    one_stack = """#include <sched.h>
#include <unistd.h>
#include <sys/syscall.h>
alignas(16) static char stack[65536];
int rest(void*){ for(;;) syscall(SYS_pause); }
int main(){ int flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM;
  for(;;) clone(rest,stack+sizeof stack,flags,nullptr); }"""
    library = "#include <thread>\n#include <unistd.h>\nint main(){ for(;;) std::thread([]{ pause(); }).detach(); }"
    python = """import threading, time
threading.stack_size(65536)
while True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"""
    bombs = {
        f"```cpp\n{one_stack}\n```": "out of threads",
        f"```cpp\n{library}\n```": "ended by signal 6 (what(): Resource temporarily unavailable)",
        f"```python\n{python}\n```": "exit status 1 (RuntimeError: can't start new thread)",
    }
    verdicts = verify_all([problem] * len(bombs), list(bombs), workers=1)
    assert [(v.score, v.reason) for v in verdicts] == [(0.0, f"test 1 of 1: {reason}") for reason in bombs.values()]


@needs_bubblewrap
def test_tests_of_the_wrong_shape_name_the_problem() -> None:
    for answer in (
        "{",
        json.dumps({"inputs": ["1"], "outputs": []}),
        json.dumps({"inputs": [1], "outputs": [2]}),
        "[]",
    ):
        with pytest.raises(DataError, match="tests of 'Add two"):
            verify_all([Problem("code", "Add two numbers", answer)], ["```python\n```"])


def test_an_unknown_task_is_an_error() -> None:
    with pytest.raises(DataError, match="no verifier for the task 'poetry'"):
        verify_all([Problem("poetry", "p", "a")], ["x"])


def test_verdicts_keep_their_order_over_tasks() -> None:
    problems = [Problem("math", "", "1"), Problem("choice", "", "B"), Problem("arithmetic", "1+1?", "2")] * 5
    texts = ["\\boxed{1}", "Answer: B", "#2"] * 5
    assert [v.score for v in verify_all(problems, texts, workers=2)] == [1.0] * 15
    assert os.cpu_count() and verifiers.verify_all([], []) == []
