"""Datasets: published layouts, the user's own files, damaged files, prompts, contamination.

Rows of layouts that no real rows are at hand for were made by hand, in the columns that their publishers document.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from installed import needs_bubblewrap
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from effopd.datasets import catalogue
from effopd.datasets.contamination import find_overlaps
from effopd.datasets.load import load_rows, read_file
from effopd.datasets.own import read_own
from effopd.datasets.prompts import Renderer
from effopd.datasets.rows import Example, read_examples
from effopd.datasets.spec import Prompt, Shot, read_spec, spec_file, spec_names
from effopd.files import DataError
from effopd.params.prompt import PromptParams
from effopd.params.section import ParamsError, parse
from effopd.tasks.verifiers import verify_all
from stages import prepare

ROOT = Path(__file__).parents[2]

PLAIN = PromptParams(style="plain", tokenizer="", revision="", thinking=False, date="")

MADE_BY_HAND: dict[str, dict[str, Any]] = {
    "aime25": {"problem_idx": 1, "answer": 70, "problem": "Find the sum of all bases $b>9$ …", "problem_type": ["NT"]},
    "aime26": {"problem_idx": 1, "answer": 277, "problem": "Patrick started walking …"},
    "gpqa_diamond": {
        "Question": "Which particle is its own antiparticle?",
        "Correct Answer": "the photon",
        "Incorrect Answer 1": "the electron",
        "Incorrect Answer 2": "the proton",
        "Incorrect Answer 3": "the neutron",
        "Record ID": "rec0",
        "Subdomain": "Physics (general)",
    },
    "taco": {
        "question": "Print the sum of two numbers.",
        "solutions": "[]",
        "starter_code": "",
        "input_output": json.dumps({"inputs": ["1 2\n"], "outputs": ["3\n"]}),
        "difficulty": "EASY",
        "time_limit": "2.0 seconds",
        "memory_limit": "256.0 megabytes",
    },
    "codeforces": {
        "id": "1/A", "title": "Sum", "description": "Print the sum.", "input_format": "Two numbers.",
        "output_format": "One number.", "interaction_format": None, "note": None, "time_limit": 1.0,
        "memory_limit": 256.0, "examples": [{"input": "1 2", "output": "3"}],
        "official_tests": [{"input": "1 2\n", "output": "3\n"}], "official_tests_complete": True,
        "input_mode": "stdio", "generated_checker": None, "executable": True,
    },
    "eurus_code": {
        "data_source": "taco", "ability": "code",
        "prompt": [{"role": "system", "content": "Think."}, {"role": "user", "content": "Print the sum."}],
        "reward_model": {"ground_truth": json.dumps({"inputs": ["1 2\n"], "outputs": ["3\n"]}), "style": "rule"},
        "extra_info": {"index": 0, "split": "train"},
    },
    "deepmath": {
        "question": "What is 1+1?", "final_answer": "2", "difficulty": 1.0, "topic": "Algebra",
        "r1_solution_1": "It is \\boxed{2}.", "r1_solution_2": "", "r1_solution_3": "",
    },
    "math500": {"problem": "1+1?", "solution": "…", "answer": "2", "subject": "Algebra", "level": 1, "unique_id": "x"},
}  # fmt: skip
GOLD = {
    "taco": "```python\nprint(sum(map(int, input().split())))\n```",
    "codeforces": "```python\nprint(sum(map(int, input().split())))\n```",
    "eurus_code": "```python\nprint(sum(map(int, input().split())))\n```",
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_every_spec_file_is_valid_and_says_where_it_comes_from() -> None:
    assert {"deepmath", "eurus_code", "aime24", "aime25", "aime26", "minerva", "math500", "taco", "codeforces",
            "gpqa_diamond", "gpqa_main", "gpqa_extended"} == set(spec_names())  # fmt: skip
    for name in spec_names():
        spec = read_spec(spec_file(name))
        assert spec.licence and spec.source.repository.count("/") == 1


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
@pytest.mark.parametrize("name", MADE_BY_HAND)
@needs_bubblewrap
def test_each_published_layout_becomes_a_problem_that_its_answer_solves(tmp_path: Path, name: str, suffix: str) -> None:
    write(tmp_path / f"{name}{suffix}", [MADE_BY_HAND[name]])
    dataset = catalogue.load(name, tmp_path, seed=7)
    assert dataset.rejected == []
    problem = catalogue.problem(dataset.examples[0], dataset, Renderer(PLAIN))
    gold = GOLD.get(name, f"Answer: {problem.answer}" if problem.task == "choice" else f"\\boxed{{{problem.answer}}}")
    assert verify_all([problem], [gold])[0].score == 1.0
    assert verify_all([problem], ["I do not know."])[0].score == 0.0


def test_options_are_shuffled_by_the_seed_and_the_letter_follows(tmp_path: Path) -> None:
    write(
        tmp_path / "gpqa_main.jsonl", [MADE_BY_HAND["gpqa_diamond"] | {"Question": f"Question {i}?"} for i in range(64)]
    )
    first, again, other = (catalogue.load("gpqa_main", tmp_path, seed).examples for seed in (1, 1, 2))
    assert first == again != other
    assert {example.answer for example in first} == set("ABCD")
    for example in first:
        assert example.choices["ABCD".index(example.answer)] == "the photon"


def test_rows_that_cannot_be_used_are_reported_by_number(tmp_path: Path) -> None:
    row = MADE_BY_HAND["deepmath"]
    rows = [row, row | {"final_answer": ""}, {"question": "no answer?"}, row | {"question": 3.5, "final_answer": ["2"]}]
    path = tmp_path / "deepmath.jsonl"
    path.write_bytes(b"".join(json.dumps(r).encode() + b"\n" for r in rows) + b"\xff\xfe\n{not json\n[1]\n")
    spec = read_spec(spec_file("deepmath"))
    examples, rejected = read_examples(spec, load_rows(spec, path), seed=0)
    assert [example.row for example in examples] == [1]
    assert [found.row for found in rejected] == [2, 3, 4, 5, 6, 7]
    reasons = [found.reason for found in rejected]
    assert "is empty" in reasons[0] and "no column 'final_answer' or 'answer'" in reasons[1]
    assert "UTF-8" in reasons[3] and "JSON" in reasons[4] and "object" in reasons[5]


def test_interactive_and_file_based_contests_are_left_out_with_the_reason(tmp_path: Path) -> None:
    row = MADE_BY_HAND["codeforces"]
    others = {
        "input_mode": "file",
        "interaction_format": "Ask.",
        "official_tests": [],
        "official_tests_complete": False,
    }
    write(tmp_path / "codeforces.jsonl", [row, *(row | {name: value} for name, value in others.items())])
    dataset = catalogue.load("codeforces", tmp_path, seed=0)
    assert len(dataset.examples) == 1 and [found.row for found in dataset.rejected] == [2, 3, 4, 5]
    assert "official_tests are not complete" in dataset.rejected[-1].reason


@pytest.mark.parametrize("damage", ["empty", "truncated", "not parquet", "no rows", "missing"])
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path / "x.parquet", [{"question": "q" * 4000}] if damage != "no rows" else [])
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage != "no rows":
        path.write_bytes({"empty": b"", "truncated": data[: len(data) // 2], "not parquet": b"hello"}[damage])
    with pytest.raises(DataError, match=r"x\.parquet") as caught:
        list(read_file(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", spec_names())
def test_every_dataset_is_pinned_to_a_commit(name: str) -> None:
    assert re.fullmatch("[0-9a-f]{40}", read_spec(spec_file(name)).source.revision)


def test_an_unpinned_dataset_is_not_fetched(tmp_path: Path) -> None:
    text = re.sub("  revision: .*\n", "", spec_file("taco").read_text(encoding="utf-8"))
    (tmp_path / "taco.yaml").write_text(text, encoding="utf-8")
    spec = read_spec(tmp_path / "taco.yaml")
    with pytest.raises(DataError, match="pins no revision of BAAI/TACO"):
        load_rows(spec, None)


def test_a_pinned_dataset_is_asked_of_the_hub_at_its_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    asked: list[tuple[Any, ...]] = []

    def refuse(*args: Any, **options: Any) -> None:
        asked.append((args, options))
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    spec = read_spec(spec_file("gpqa_diamond"))
    with pytest.raises(DataError, match=r"GPQA.*cannot be loaded.*no network"):
        load_rows(spec, None)
    assert asked[0][0] == ("Idavidrein/gpqa", "gpqa_diamond")
    assert asked[0][1]["revision"] == spec.source.revision and len(spec.source.revision) == 40


def test_a_spec_with_a_branch_for_a_revision_is_refused(tmp_path: Path) -> None:
    text = re.sub("revision: .*", "revision: main", spec_file("taco").read_text(encoding="utf-8"))
    (tmp_path / "taco.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError, match=r"source\.revision.*40 hexadecimal"):
        read_spec(tmp_path / "taco.yaml")


OWN = {"prompt": "1+1?", "answer": "2", "task": "math"}


def test_own_data_of_every_task_is_read(tmp_path: Path) -> None:
    tests = {"inputs": ["1\n"], "outputs": ["1\n"]}
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
    code = {"prompt": "echo", "answer": json.dumps(tests), "task": "code"}
    rows = [OWN, OWN | {"task": "choice", "answer": "b"}, code,
            {"messages": turns, "answer": "2", "task": "exact"}]  # fmt: skip
    examples = read_own(write(tmp_path / "mine.jsonl", rows))
    assert [example.task for example in examples] == ["math", "choice", "code", "exact"]
    assert Renderer(PLAIN).render(examples[3], Prompt(instruction="{question}")) == "Be brief.\n\n1+1?\n"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "x", "answer": "2"}, "row 2: 'task' is 'None'"),
        (OWN | {"task": "maths"}, "row 2: 'task' is 'maths', expected one of math"),
        (OWN | {"answer": ""}, "row 2: 'answer' is missing, empty or not a text"),
        (OWN | {"answer": True}, "row 2: 'answer'"),
        (OWN | {"answer": math.nan}, "row 2: 'answer' is nan, which is no number"),
        (OWN | {"answer": math.inf}, "row 2: 'answer' is inf"),
        ({"messages": [{"role": "user", "content": " "}], "answer": "2", "task": "math"}, "row 2: a turn of the user"),
        (OWN | {"promt": "x"}, "row 2: unknown column 'promt'"),
        ({"answer": "2", "task": "math"}, "row 2: expected either 'prompt' or 'messages'"),
        (OWN | {"prompt": " "}, "row 2: 'prompt' is not a text, or empty"),
        (OWN | {"task": "choice", "answer": "42"}, "row 2: 'answer' is '42', expected one letter"),
        (OWN | {"task": "code", "answer": "{}"}, "row 2: 'answer' is not a set of tests"),
        ({"messages": [{"role": "bot", "content": "x"}], "answer": "2", "task": "math"}, "row 2: .* the role 'bot'"),
    ],
)
def test_own_data_with_a_mistake_is_refused_by_row(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_own(write(tmp_path / "mine.jsonl", [OWN, row]))


def test_an_unknown_dataset_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no dataset 'amc': known are aime24.*deepmath"):
        catalogue.load("amc", tmp_path, seed=0)


def test_splits_are_disjoint_and_a_repeated_question_is_in_one_alone() -> None:
    examples = [Example(i, f"q{i % 50}", "math", "1") for i in range(100)]
    parts = catalogue.split(examples, {"test": 10, "train": 1000}, seed=0)
    assert len(parts["test"]) == 10 and len(parts["train"]) == 40
    assert not {e.question for e in parts["test"]} & {e.question for e in parts["train"]}
    with pytest.raises(DataError, match="too few"):
        catalogue.split(examples, {"test": 50, "train": 1}, seed=0)


def test_rows_with_other_histories_or_options_are_not_the_same_question(tmp_path: Path) -> None:
    def talk(*turns: tuple[str, str]) -> dict[str, Any]:
        return {"messages": [{"role": role, "content": text} for role, text in turns], "answer": "2", "task": "math"}

    last = ("user", "And now?")
    rows = [talk(("user", "1+1?"), ("assistant", "3"), last), talk(("user", "4-2?"), ("assistant", "1"), last),
            talk(("system", "Be brief."), last), talk(("system", "Be thorough."), last), talk(last), talk(last),
            {"prompt": "And now?", "answer": "2", "task": "math"}]  # fmt: skip
    examples = read_own(write(tmp_path / "mine.jsonl", rows))
    assert [example.row for example in catalogue.different(examples)] == [1, 2, 3, 4, 7]
    options = [Example(i, "Which?", "choice", "A", choices=(f"{i // 2}", "x")) for i in range(4)]
    assert [example.row for example in catalogue.different(options)] == [1, 3]
    assert sum(map(len, catalogue.split(options, {"test": 1, "train": 9}, seed=0).values())) == 2


def test_merged_rows_are_counted_where_the_data_is_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("source: arithmetic", "source: mine", 1)
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(text, encoding="utf-8")
    Path("effopd/datasets").mkdir(parents=True)
    Path("effopd/datasets/specs").symlink_to(ROOT / "effopd/datasets/specs")
    Path("data/sources").mkdir(parents=True)
    rows = [OWN | {"prompt": f"{i % 2000}+1?"} for i in range(2003)]
    write(Path("data/sources/mine.jsonl"), rows)
    prepare.main()
    assert json.loads(Path("data/about.json").read_text())["merged"] == 3
    assert "mine: 3 rows put the same question as another" in capsys.readouterr().out


def test_few_shot_and_choices_are_put_in_plain_text() -> None:
    prompt = Prompt(instruction="Q: {question}\n{choices}", shots=[Shot(question="1+1?", answer="2")])
    example = Example(1, "2+2?", "choice", "B", choices=("3", "4"))
    assert Renderer(PLAIN).render(example, prompt) == "Q: 1+1?\n\n2\n\nQ: 2+2?\n(A) 3\n(B) 4\n"


TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    "{% if not enable_thinking %}<think></think>{% endif %}"
)


def chat_tokenizer(folder: Path, template: str) -> Path:
    backend = Tokenizer(models.WordLevel({"<s>": 0, "<unk>": 1}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", unk_token="<unk>")
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return folder


def test_the_chat_template_is_the_tokenizers_with_and_without_thinking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chat_tokenizer(Path("t"), TEMPLATE)
    example, prompt = Example(1, "2+2?", "math", "4"), Prompt(instruction="{question}", system="Think.")
    for thinking, end in ((True, ""), (False, "<think></think>")):
        params = PromptParams(style="chat", tokenizer="t", revision="", thinking=thinking, date="")
        assert Renderer(params).render(example, prompt) == f"<s><system>Think.<user>2+2?<assistant>{end}"


def test_a_template_without_thinking_or_no_template_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    chat_tokenizer(Path("t"), "{{ messages[0].content }}")
    with pytest.raises(DataError, match="knows no thinking mode"):
        Renderer(PromptParams(style="chat", tokenizer="t", revision="", thinking=True, date=""))


def test_a_chat_template_is_named_and_one_on_the_hub_pinned() -> None:
    section = {"style": "chat", "tokenizer": "", "revision": "", "thinking": False, "date": ""}
    with pytest.raises(ParamsError, match="style chat needs a tokenizer"):
        parse(PromptParams, "prompt", section)
    with pytest.raises(ParamsError, match=r"prompt\.revision: must be 40 hexadecimal digits.*'main'"):
        parse(PromptParams, "prompt", section | {"tokenizer": "Qwen/Qwen3-4B", "revision": "main"})
    with pytest.raises(DataError, match=r"prompt\.revision \(`effopd pin --model Qwen/Qwen3-4B` names"):
        Renderer(PromptParams(style="chat", tokenizer="Qwen/Qwen3-4B", revision="", thinking=False, date=""))


def test_planted_contamination_is_found_and_nothing_else() -> None:
    words = " ".join(f"w{i}" for i in range(30))
    train = ["Unrelated question about prime numbers.", f"Prefix. {words} suffix", "What is 2 + 2?"]
    test = [
        "what is  2 + 2",
        f"Other start, {words}!",
        "A fresh question with more than thirteen words in it, none shared at all.",
    ]
    found = find_overlaps(train, test)
    assert [(o.test, o.train, o.kind) for o in found] == [(0, 2, "exact"), (1, 1, "ngram")]
    assert found[1].share == 18 / 20  # 18 of its 20 runs of 13 words
    assert find_overlaps(train, test[2:]) == []


def test_questions_without_words_are_no_match_and_writing_without_spaces_has_runs() -> None:
    assert find_overlaps(["∑ ∫ ?", "!!!"], ["!!!", "?"]) == []
    chinese = "小明有三个苹果和五个梨他又买了七个苹果请问他一共有多少个水果"
    found = find_overlaps(
        [f"题目一{chinese}"], [f"练习{chinese}呢", "一个完全不同的问题与其他任何问题都没有共同的字句"]
    )
    assert [(o.test, o.train, o.kind) for o in found] == [(0, 0, "ngram")]
