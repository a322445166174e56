"""Benchmarks: the same records whatever the batch, after any interruption; figures by hand; the harness's layout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from pydantic import TypeAdapter
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.evaluation.benchmark import summarise
from effopd.evaluation.harness_export import DATE, export
from effopd.evaluation.records import Record, _row, evaluate, read_journal, read_records, write_records
from effopd.files import DataError
from effopd.models.build import build_model
from effopd.models.tokenizer import character_tokenizer
from effopd.params.model import ModelParams
from effopd.rollout.policy import ModelPolicy
from effopd.seeding import derive_seed, uniforms
from effopd.tasks.arithmetic import ALPHABET, sample_problems
from effopd.tasks.problems import Problem
from effopd.tasks.verdict import Verdict
from effopd.tasks.verifiers import verify_all

TOKENS = 12


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return character_tokenizer(ALPHABET)


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    params = ModelParams(
        source="", revision="", vocabulary=0, hidden_size=16, layers=2, heads=2, kv_heads=1, mlp_size=32, context=64
    )
    return build_model(params, tokenizer, seed=3).eval()


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    rng = np.random.default_rng(0)
    return sample_problems(rng, 10, 2, set()) + sample_problems(rng, 10, 4, set())  # of two lengths: padding matters


def run(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: Sequence[Problem], journal: Path,
    batch_size: int = 7, samples: int = 4,
) -> list[Record]:  # fmt: skip
    return evaluate(
        ModelPolicy(model, tokenizer), problems, verify_all, samples=samples, seed=5, max_new_tokens=TOKENS,
        batch_size=batch_size, journal=journal, progress=lambda made: made,
    )  # fmt: skip


def assert_same_or_tied(
    one: list[Record], other: list[Record], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
) -> None:  # fmt: skip
    """Equal records; where a completion differs, its random number lies within 1e-5 of the two tokens' border."""
    for a, b in zip(one, other, strict=True):
        if a == b:
            continue
        tokens_a, tokens_b = (tokenizer(text)["input_ids"] for text in (a.completion, b.completion))
        ended = tokenizer.eos_token_id
        tokens_a, tokens_b = [*tokens_a, ended], [*tokens_b, ended]
        at = next(t for t, (x, y) in enumerate(zip(tokens_a, tokens_b, strict=False)) if x != y)
        prompt = tokenizer(problems[a.problem].prompt)["input_ids"]
        with torch.no_grad():
            logits_V = model(torch.tensor([[*prompt, *tokens_a[:at]]])).logits[0, -1].double()
        borders_V = logits_V.softmax(-1).cumsum(-1)
        number = uniforms(derive_seed(5, "benchmark"), [_row(problems[a.problem], a.sample)], TOKENS)[0, at]
        assert (borders_V - number).abs().min() < 1e-5


def test_the_batch_size_changes_no_record(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: list[Problem], tmp_path: Path
) -> None:
    one, seven, all_ = (run(model, tokenizer, problems, tmp_path / f"{size}.jsonl", size) for size in (1, 7, 64))
    assert len({record.completion for record in one}) > 20
    assert_same_or_tied(one, seven, model, tokenizer, problems)
    assert_same_or_tied(one, all_, model, tokenizer, problems)


def test_the_order_and_number_of_problems_change_no_completion(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: list[Problem], tmp_path: Path
) -> None:
    whole = run(model, tokenizer, problems, tmp_path / "a.jsonl", 1)
    reversed_ = run(model, tokenizer, problems[::-1][:5], tmp_path / "b.jsonl", 1)
    for record in reversed_:
        twin = whole[(len(problems) - 1 - record.problem) * 4 + record.sample]
        assert (record.completion, record.score) == (twin.completion, twin.score)


def test_a_killed_evaluation_goes_on_and_ends_with_the_same_bytes(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: list[Problem], tmp_path: Path
) -> None:
    whole = run(model, tokenizer, problems, tmp_path / "whole.jsonl")
    graded: list[int] = []

    def dies(chosen: Sequence[Problem], texts: Sequence[str]) -> list[Verdict]:
        graded.append(len(texts))
        if len(graded) == 4:
            raise KeyboardInterrupt
        return verify_all(chosen, texts)

    journal = tmp_path / "killed.jsonl"
    with pytest.raises(KeyboardInterrupt):
        evaluate(
            ModelPolicy(model, tokenizer), problems, dies, samples=4, seed=5, max_new_tokens=TOKENS, batch_size=7,
            journal=journal, progress=lambda made: made,
        )  # fmt: skip
    with journal.open("a", encoding="utf-8") as stream:
        stream.write('{"problem": 5, "samp')  # killed in the middle of a line
    assert len(read_journal(journal)) == 21
    resumed = run(model, tokenizer, problems, journal)
    assert resumed == whole
    for name, records in (("a", whole), ("b", resumed)):
        write_records(tmp_path / f"{name}.parquet", problems, records)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_more_samples_keep_those_already_made(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, problems: list[Problem], tmp_path: Path
) -> None:
    journal = tmp_path / "j.jsonl"
    two = run(model, tokenizer, problems, journal, samples=2)
    four = run(model, tokenizer, problems, journal, samples=4)
    assert [record for record in four if record.sample < 2] == two


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "j.jsonl").write_text('{"problem": 1}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"j\.jsonl: damaged.*delete it"):
        read_journal(tmp_path / "j.jsonl")


SCORES = [[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
RECORDS = [Record(p, s, f"c{p}{s}", float(x), "r", 3, False) for p, row in enumerate(SCORES) for s, x in enumerate(row)]
PROBLEMS = [Problem("math", f"prompt {i}", str(i)) for i in range(3)]


def test_figures_are_those_computed_by_hand() -> None:
    found = summarise(RECORDS, 4, confidence=0.95, seed=0)
    assert found["accuracy"] == pytest.approx(3 / 12)
    # 1 − C(4−c, k)/C(4, k), averaged: c = 2, 0, 1
    assert found["pass_at"]["1"] == pytest.approx((2 / 4 + 0 + 1 / 4) / 3)
    assert found["pass_at"]["2"] == pytest.approx((5 / 6 + 0 + 1 / 2) / 3)
    assert found["pass_at"]["4"] == pytest.approx((1 + 0 + 1) / 3)
    assert found["standard_error"] == pytest.approx(np.std([0.5, 0, 0.25], ddof=1) / 3**0.5)
    assert found["low"] <= found["accuracy"] <= found["high"]


def test_a_problem_that_could_not_be_judged_counts_in_no_figure(tmp_path: Path) -> None:
    known = [record for record in RECORDS if record.problem != 1]
    records = [replace(record, judged=(record.problem, record.sample) != (1, 2)) for record in RECORDS]
    found, expected = (summarise(rows, 4, confidence=0.95, seed=0) for rows in (records, known))
    assert found == expected | {"not_judged": 1} and found["problems"] == 2
    export(tmp_path, "task", "m", PROBLEMS, records, found, {"seed": 0, "max_new_tokens": 9, "shots": 0})
    results = json.loads((tmp_path / f"results_{DATE}.json").read_text(encoding="utf-8"))
    assert results["n-samples"]["task"] == {"original": 3, "effective": 2}
    with pytest.raises(DataError, match="none of 3 problems could be judged"):
        summarise([replace(record, judged=False) for record in RECORDS], 4, confidence=0.95, seed=0)


def test_records_come_back_from_parquet(tmp_path: Path) -> None:
    write_records(tmp_path / "r.parquet", PROBLEMS, RECORDS)
    assert read_records(tmp_path / "r.parquet") == RECORDS
    assert pq.read_table(tmp_path / "r.parquet")["prompt"].to_pylist()[4] == "prompt 1"
    (tmp_path / "r.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"r\.parquet: not a readable"):
        read_records(tmp_path / "r.parquet")


HARNESS_RESULTS = {  # lm_eval/result_schema.py of lm-evaluation-harness 0.4.13, the fields that its tools read
    "results": dict[str, dict[str, float | str]], "group_subtasks": dict[str, list[str]],
    "configs": dict[str, dict[str, Any]], "versions": dict[str, str | float | None], "n-shot": dict[str, int],
    "higher_is_better": dict[str, dict[str, bool | None]], "n-samples": dict[str, dict[str, int]],
    "config": dict[str, Any], "date": float, "model_source": str, "model_name": str, "model_name_sanitized": str,
    "task_hashes": dict[str, str],
}  # fmt: skip
HARNESS_SAMPLE = {
    "doc_id": int, "doc": dict[str, Any], "target": str, "arguments": dict[str, dict[str, Any]],
    "resps": list[list[str]], "filtered_resps": list[str], "filter": str, "metrics": list[str], "doc_hash": str,
    "prompt_hash": str, "target_hash": str, "exact_match": float,
}  # fmt: skip


def assert_fits(value: dict[str, Any], schema: dict[str, Any]) -> None:
    assert value.keys() == schema.keys()
    for name, kind in schema.items():
        TypeAdapter(kind).validate_python(value[name], strict=True)


def test_the_export_has_the_harnesss_layout(tmp_path: Path) -> None:
    summary = summarise(RECORDS, 4, confidence=0.95, seed=0)
    settings = {"seed": 0, "max_new_tokens": 9, "shots": 4}
    export(tmp_path / "lm-eval", "minerva", "models/opd-0", PROBLEMS, RECORDS, summary, settings)
    results = json.loads((tmp_path / "lm-eval" / f"results_{DATE}.json").read_text(encoding="utf-8"))
    assert_fits(results, HARNESS_RESULTS)
    assert results["model_name_sanitized"] == "models__opd-0"
    measured = results["results"]["minerva"]
    assert (measured["name"], measured["alias"], measured["sample_len"]) == ("minerva", "minerva", 3)
    assert measured["exact_match,none"] == pytest.approx(0.25)
    assert measured["exact_match_stderr,none"] == pytest.approx(summary["standard_error"])
    assert measured["pass@4,none"] == pytest.approx(2 / 3)
    assert results["n-samples"]["minerva"] == {"original": 3, "effective": 3}
    assert results["configs"]["minerva"]["output_type"] == "generate_until"
    assert [metric["metric"] for metric in results["configs"]["minerva"]["metric_list"]] == ["exact_match"]

    # its own `get_file_task_name`: between the first and the last underscore
    file = next((tmp_path / "lm-eval").glob("samples_*.jsonl"))
    assert file.name[file.name.find("_") + 1 : file.name.rfind("_")] == "minerva"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [row["doc_id"] for row in rows] == [0, 1, 2]
    for row in rows:
        assert_fits(row, HARNESS_SAMPLE)
        assert row["arguments"]["gen_args_0"]["arg_0"] == f"prompt {row['doc_id']}"
    assert rows[0]["resps"] == [["c00", "c01", "c02", "c03"]] and rows[0]["exact_match"] == 0.5
