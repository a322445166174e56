"""Prompts as models get them: templates with a date or without a system turn, the teacher's own, those without answers
and those that are too long."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import tiny
from families import write_family
from ruamel.yaml import YAML
from test_datasets import OWN, ROOT, chat_tokenizer, write
from transformers import AutoConfig, AutoTokenizer

from effopd.datasets.own import read_own
from effopd.datasets.prompts import AS_IT_IS, Renderer
from effopd.datasets.rows import Example
from effopd.evaluation.accuracy import grade
from effopd.evaluation.references import check_references
from effopd.files import DataError
from effopd.params.prompt import PromptParams
from effopd.params.section import ParamsError, parse
from effopd.rollout.policy import ModelPolicy
from effopd.tasks.lengths import check_lengths, context_of
from effopd.tasks.problems import UNGRADED, Problem, read_problems, write_problems
from effopd.tasks.verifiers import check_gradable, verify_all
from stages import prepare

TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
DATED = "Today is {{ strftime_now('%d %B %Y') }}. " + TURNS
LLAMA = (
    "{% if not date_string is defined %}{% if strftime_now is defined %}"
    "{% set date_string = strftime_now('%d %b %Y') %}{% else %}{% set date_string = '26 Jul 2024' %}{% endif %}"
    "{% endif %}Today Date: {{ date_string }} " + TURNS
)
IN_TOOLS = "{% if tools %}{{ strftime_now('%Y') }}{% endif %}" + TURNS
GEMMA = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + TURNS
SILENT = "{% for m in messages if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
ALTERNATING = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}<{{ m.role }}>{{ m.content }}"
    "{% endfor %}<assistant>"
)
BROKEN = "{{ messages[0].content + 1 }}"


def renderer(template: str, date: str = "") -> Renderer:
    chat_tokenizer(Path("t"), template)
    return Renderer(PromptParams(style="chat", tokenizer="t", revision="", thinking=False, date=date))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def talk(*turns: tuple[str, str]) -> Example:
    return Example(7, turns[-1][1], "exact", "x", messages=turns)


@pytest.mark.parametrize(("template", "day"), [(DATED, "31 January 2026"), (LLAMA, "31 Jan 2026")])
def test_a_template_that_writes_the_date_writes_the_pinned_one_or_is_refused(
    here: None, template: str, day: str
) -> None:
    text = renderer(template, "2026-01-31").render(talk(("user", "Hi")), AS_IT_IS)
    assert day in text and text.endswith("<user>Hi<assistant>")
    with pytest.raises(DataError, match=r"row 7: .*writes today's date: set prompt\.date") as caught:
        renderer(template).render(talk(("user", "Hi")), AS_IT_IS)
    assert "\n" not in str(caught.value)


def test_a_template_that_could_write_the_date_and_does_not_needs_none(here: None) -> None:
    assert renderer(IN_TOOLS).render(talk(("user", "Hi")), AS_IT_IS) == "<user>Hi<assistant>"


@pytest.mark.parametrize("day", ["today", "2026-1-31", "31.01.2026", "2026-02-30", "20260131", "2026-01-31T10:00"])
def test_what_is_no_day_is_refused_by_its_key(day: str) -> None:
    section = {"style": "plain", "tokenizer": "", "revision": "", "thinking": False, "date": day}
    with pytest.raises(ParamsError, match=r"prompt\.date: must be empty, or a day such as 2026-01-31"):
        parse(PromptParams, "prompt", section)


@pytest.mark.parametrize("template", [GEMMA, SILENT, ALTERNATING])
def test_the_system_text_opens_the_users_turn_where_the_template_has_no_place_for_it(here: None, template: str) -> None:
    rendering = renderer(template)
    assert rendering.render(talk(("user", "Hi")), AS_IT_IS) == "<user>Hi<assistant>" and not rendering.merged_system
    found = rendering.render(
        talk(("system", "Be brief."), ("user", "Hi"), ("assistant", "Yes?"), ("user", "1?")), AS_IT_IS
    )
    assert found == "<user>Be brief.\n\nHi<assistant>Yes?<user>1?<assistant>" and rendering.merged_system
    kept = renderer(TURNS)
    assert (
        kept.render(talk(("system", "Be brief."), ("user", "Hi")), AS_IT_IS) == "<system>Be brief.<user>Hi<assistant>"
    )
    assert not kept.merged_system


@pytest.mark.parametrize(
    ("template", "turns", "said"),
    [
        (ALTERNATING, (("user", "a"), ("user", "b")), "must alternate"),
        (BROKEN, (("user", "a"),), "its chat template fails"),
        ("{{ messages[0].nothing.more }}", (("user", "a"),), "has no attribute"),
        ("{% for %}", (("user", "a"),), "its chat template fails"),
    ],
)
def test_a_conversation_that_a_template_refuses_is_named_by_its_row(
    here: None, template: str, turns: tuple[tuple[str, str], ...], said: str
) -> None:
    with pytest.raises(DataError, match=f"row 7: .*{said}") as caught:
        renderer(template).render(talk(*turns), AS_IT_IS)
    assert "\n" not in str(caught.value)


# Prompts alone, and the teacher's own


def project(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], **changes: dict[str, Any]
) -> None:
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["data"].update(source="mine", train=8, validation=2, dev=2, test=2)
    for section, values in changes.items():
        params[section].update(values)
    monkeypatch.chdir(folder)
    yaml.dump(params, Path("params.yaml"))
    Path("effopd/datasets").mkdir(parents=True)
    Path("effopd/datasets/specs").symlink_to(ROOT / "effopd/datasets/specs")
    Path("data/sources").mkdir(parents=True)
    write(Path("data/sources/mine.jsonl"), rows)


def test_prompts_alone_become_problems_without_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, monkeypatch, [{"prompt": f"Tell me of {i}."} for i in range(20)])
    prepare.main()
    train = read_problems(Path("data/train.parquet"))
    assert len(train) == 8 and {(problem.task, problem.answer) for problem in train} == {(UNGRADED, "")}
    assert pq.read_table("data/train.parquet").column_names == ["task", "prompt", "answer"]


def test_rows_with_answers_are_kept_for_what_needs_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [{"prompt": f"Tell me of {i}."} for i in range(20)]
    project(tmp_path, monkeypatch, [*alone, *(OWN | {"prompt": f"{i}+1?"} for i in range(7))])
    prepare.main()
    held_out = [p for name in ("test", "dev", "validation") for p in read_problems(Path(f"data/{name}.parquet"))]
    assert len(held_out) == 6 and {problem.task for problem in held_out} == {"math"}
    assert UNGRADED in {problem.task for problem in read_problems(Path("data/train.parquet"))}
    write(Path("data/sources/mine.jsonl"), [*alone, *(OWN | {"prompt": f"{i}+1?"} for i in range(5))])
    with pytest.raises(DataError, match="5 different questions with answers are too few: 6 are set aside"):
        prepare.main()


def test_half_an_answer_is_still_a_mistake(tmp_path: Path) -> None:
    for row, said in (
        ({"prompt": "x", "task": "math"}, "'answer' is missing"),
        ({"prompt": "x", "answer": "2"}, "'task' is"),
    ):
        with pytest.raises(DataError, match=f"row 1: {said}"):
            read_own(write(tmp_path / "mine.jsonl", [row]))


def test_what_needs_verdicts_refuses_problems_without_answers_in_a_line(tmp_path: Path) -> None:
    pool = [*tiny.problems(3), *(replace(problem, task=UNGRADED, answer="") for problem in tiny.problems(2, seed=9))]
    said = r"^2 of 5 problems have no answer .*opd needs none, but rl, evaluation and effopd\.score: accuracy do; give "
    with pytest.raises(DataError, match=said) as caught:
        check_gradable(pool)
    assert "\n" not in str(caught.value)
    policy = ModelPolicy(tiny.guesser(), tiny.tokenizer())
    with pytest.raises(DataError, match="have no answer"):
        grade(policy, pool, samples=1, greedy=True, seed=0, max_new_tokens=4, batch_size=4)
    with pytest.raises(DataError, match="have no answer"):
        tiny.Lab(tmp_path, pool=pool).rl()
    assert [verdict.judged for verdict in verify_all(pool, ["#3"] * 5)] == [True, True, True, False, False]
    with pytest.raises(DataError, match="no reference answers"):
        check_references([Example(1, "?", UNGRADED, "")])


def test_distillation_needs_no_answers_and_ends_with_the_same_weights(tmp_path: Path) -> None:
    answered = tiny.problems()
    half = [replace(p, task=UNGRADED, answer="") if i % 2 else p for i, p in enumerate(answered)]
    alone = [replace(p, task=UNGRADED, answer="") for p in answered]
    runs = [tiny.Lab(tmp_path / str(i), pool=pool).opd() for i, pool in enumerate((answered, half, alone))]
    for other in runs[1:]:
        for one, same in zip(runs[0].model.parameters(), other.model.parameters(), strict=True):
            assert one.equal(same)
    assert all("accuracy" in row for row in runs[0].metrics)
    assert not any("accuracy" in row for row in runs[2].metrics)
    assert [row["loss"] for row in runs[0].metrics] == [row["loss"] for row in runs[2].metrics]


def test_a_benchmark_of_prompts_alone_is_refused_by_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [OWN | {"prompt": f"{i}+1?"} for i in range(20)]
    project(tmp_path, monkeypatch, rows, benchmark={"datasets": ["theirs"]})
    write(Path("data/sources/theirs.jsonl"), [OWN, {"prompt": "Tell me."}])
    with pytest.raises(DataError, match=r"theirs\.jsonl: row 2 has no answer, which a benchmark needs"):
        prepare.main()


def test_what_the_teacher_sees_is_kept_beside_the_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[dict[str, Any]] = [
        OWN | {"prompt": f"{i}+1?", "teacher_prompt": f"{i}+1? It is {i + 1}."} for i in range(19)
    ]
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
    rows.append({"messages": turns, "answer": "2", "task": "math", "teacher_prompt": "1+1? (2)"})
    rows.append(OWN | {"prompt": "8+8?"})
    project(tmp_path, monkeypatch, rows, data={"source": "mine", "train": 99, "validation": 1, "dev": 1, "test": 1})
    prepare.main()
    problems = [
        p for name in ("test", "dev", "validation", "train") for p in read_problems(Path(f"data/{name}.parquet"))
    ]
    seen = {problem.prompt: problem.teacher_prompt for problem in problems}
    assert seen["3+1?\n"] == "3+1? It is 4.\n"
    assert seen["Be brief.\n\n1+1?\n"] == "Be brief.\n\n1+1? (2)\n"
    assert seen["8+8?\n"] == ""


@pytest.mark.parametrize("asked", [" ", 0, 3, False, [], ["x"]])
def test_a_teacher_prompt_that_is_no_text_is_refused_by_its_row(tmp_path: Path, asked: Any) -> None:
    with pytest.raises(DataError, match="row 2: 'teacher_prompt' is not a text, or blank"):
        read_own(write(tmp_path / "mine.jsonl", [OWN, OWN | {"teacher_prompt": asked}]))


def test_optional_columns_come_back_by_name(tmp_path: Path) -> None:
    for problems in (
        [Problem("math", "p", "1")],
        [Problem("math", "p", "1", teacher_prompt="q"), Problem("math", "r", "2")],
        [Problem("math", "p", "1", teacher="big"), Problem("math", "r", "2", "small", "s")],
    ):
        write_problems(tmp_path / "p.parquet", problems)
        assert read_problems(tmp_path / "p.parquet") == problems


# Prompts that are too long

LENGTH = 16  # of completions


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "student"
    write_family(folder, "qwen2", ["What is 12 + 30?"] * 20)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 40}))
    return folder


def test_prompts_beyond_the_students_context_are_left_out_counted_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [OWN | {"prompt": f"{i}+1?" + "+1" * (12 if i in (3, 11) else 0)} for i in range(22)]
    project(tmp_path, monkeypatch, rows, model={"source": "student"}, rollout={"max_new_tokens": LENGTH})
    shutil.copytree(student, Path("data/models/student"))
    prepare.main()
    about = json.loads(Path("data/about.json").read_text())
    tokens = len(AutoTokenizer.from_pretrained(student)(rows[3]["prompt"] + "\n")["input_ids"])
    assert 40 - LENGTH < tokens < 40, "of those that have room alone"
    reason = f"its prompt of {tokens} tokens and {LENGTH} new ones exceed the student's context of 40"
    assert [found["row"] for found in about["rejected"]] == [4, 12] and about["rejected"][0]["reason"] == reason
    assert f"mine: row 4 is left out: {reason}" in capsys.readouterr().out
    prompts = [
        p.prompt for name in ("test", "dev", "validation", "train") for p in read_problems(Path(f"data/{name}.parquet"))
    ]
    assert max(map(len, prompts)) < 40


@pytest.mark.parametrize("there", [True, False])
def test_a_student_on_the_hub_is_asked_for_at_its_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, student: Path, there: bool
) -> None:
    rows = [OWN | {"prompt": f"{i}+1?" + "+1" * (40 if i in (3, 11) else 0)} for i in range(22)]
    project(tmp_path, monkeypatch, rows, model={"source": "some/student", "revision": "0" * 40})
    for kind in (AutoConfig, AutoTokenizer):
        monkeypatch.setattr(kind, "from_pretrained", hub(kind.from_pretrained, student if there else None))
    prepare.main()
    rejected = json.loads(Path("data/about.json").read_text())["rejected"]
    assert [found["row"] for found in rejected] == ([4, 12] if there else [])


def hub(load: Callable[..., Any], folder: Path | None) -> Callable[..., Any]:
    def from_hub(name: Any, **options: Any) -> Any:
        if name != "some/student":
            return load(name, **options)
        assert options == {"revision": "0" * 40, "local_files_only": False, "trust_remote_code": False}
        if folder is None:
            raise OSError("no network")
        return load(folder)

    return from_hub


def test_training_refuses_prompts_without_room_for_an_answer_before_its_first_step(student: Path) -> None:
    tokenizer, config = AutoTokenizer.from_pretrained(student), AutoConfig.from_pretrained(student)
    fits, full = (Problem("math", "~" * count, "1") for count in (30, 31))  # in none of the tokens that it learned
    assert context_of(config) == 40 and len(tokenizer(full.prompt)["input_ids"]) == 31
    check_lengths([fits] * 3, tokenizer, config, 10, "data/train.parquet")
    with pytest.raises(DataError) as caught:
        check_lengths([fits, full, *[full] * 7], tokenizer, config, 10, "data/train.parquet")
    assert str(caught.value) == (
        "data/train.parquet: the model's context of 40 tokens has no room for 8 of 9 prompts and 10 new tokens: row 1 "
        "with 31, row 2 with 31, row 3 with 31, row 4 with 31, row 5 with 31, and 3 more; leave them out of the "
        "dataset, lower max_new_tokens, or choose a model with a longer context"
    )


def test_the_context_of_a_model_for_images_and_text_is_that_of_its_text() -> None:
    class Inner:
        max_position_embeddings = 77

    class Outer:
        max_position_embeddings = 5

        def get_text_config(self) -> Inner:
            return Inner()

    assert context_of(Outer()) == 77
    assert context_of(AutoConfig.for_model("gpt2", n_positions=33)) == 33
    assert context_of(AutoConfig.for_model("mamba")) is None
