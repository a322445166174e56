"""Results in the layout of EleutherAI's lm-evaluation-harness, for the tools that read it.

Its `lm_eval/result_schema.py` (0.4.13) says what the fields are. A folder with ``results_DATE.json`` and
``samples_TASK_DATE.jsonl``. The date in the names is the epoch's first second: those tools want one, and equal results
shall give equal bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from effopd.evaluation.records import Record
from effopd.files import atomic_path, canonical_json, write_json, write_jsonl
from effopd.tasks.problems import Problem

DATE = "1970-01-01T00-00-00.000000"
METRIC = "exact_match"
VERSION = 1.0

_FORBIDDEN = re.compile(r"[\"<>:/|\\?*\[\]]+")  # in a model's name as part of a path


def export(
    folder: Path,
    task: str,
    model: str,
    problems: Sequence[Problem],
    records: Sequence[Record],
    summary: dict[str, Any],
    settings: dict[str, Any],
) -> None:
    """Write the folder, without the problems that could not be judged.

    summary: of `benchmark.summarise`; settings: what the sampling was, for the task's config.
    """
    by_problem = [[r for r in records if r.problem == i] for i in range(len(problems))]
    judged = [(i, mine) for i, mine in enumerate(by_problem) if all(record.judged for record in mine)]
    samples = [_sample(i, problems[i], mine, settings) for i, mine in judged]
    hashes = "".join(row["doc_hash"] + row["prompt_hash"] + row["target_hash"] for row in samples)
    results = {
        "results": {task: _results(task, len(samples), summary)},
        "group_subtasks": {task: []},
        "configs": {task: _config(task, settings, summary["samples"])},
        "versions": {task: VERSION},
        "n-shot": {task: settings["shots"]},
        "higher_is_better": {task: dict.fromkeys([METRIC, *_pass_names(summary)], True)},
        "n-samples": {task: {"original": len(problems), "effective": len(samples)}},
        "config": {
            "model": "hf",
            "model_args": f"pretrained={model}",
            "batch_size": None,
            "limit": None,
            "random_seed": settings["seed"],
        },
        "model_source": "hf",
        "model_name": model,
        "model_name_sanitized": _FORBIDDEN.sub("__", model),
        "task_hashes": {task: _hash(hashes)},
        "date": 0.0,
    }
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        write_json(temporary / f"results_{DATE}.json", results)
        write_jsonl(temporary / f"samples_{task}_{DATE}.jsonl", samples)


def _results(task: str, problems: int, summary: dict[str, Any]) -> dict[str, Any]:
    values = {METRIC: summary["accuracy"], **_pass_names(summary)}
    errors = {f"{METRIC}_stderr,none": summary["standard_error"]}
    errors |= {f"{name}_stderr,none": "N/A" for name in _pass_names(summary)}
    about = {"name": task, "alias": task, "sample_len": problems}
    return about | {f"{name},none": value for name, value in values.items()} | errors


def _pass_names(summary: dict[str, Any]) -> dict[str, float]:
    return {f"pass@{k}": value for k, value in summary["pass_at"].items()}


def _config(task: str, settings: dict[str, Any], samples: int) -> dict[str, Any]:
    return {
        "task": task,
        "output_type": "generate_until",
        "num_fewshot": settings["shots"],
        "repeats": samples,
        "generation_kwargs": {"do_sample": True, "temperature": 1.0, "max_gen_toks": settings["max_new_tokens"]},
        "metric_list": [{"metric": METRIC, "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": VERSION},
    }


def _sample(number: int, problem: Problem, records: Sequence[Record], settings: dict[str, Any]) -> dict[str, Any]:
    texts = [record.completion for record in records]
    document = {"task": problem.task, "prompt": problem.prompt, "answer": problem.answer}
    arguments = {"do_sample": True, "temperature": 1.0, "max_gen_toks": settings["max_new_tokens"]}
    return {
        "doc_id": number,
        "doc": document,
        "target": problem.answer,
        "arguments": {"gen_args_0": {"arg_0": problem.prompt, "arg_1": arguments}},
        "resps": [texts],
        "filtered_resps": texts,
        "filter": "none",
        "metrics": [METRIC],
        "doc_hash": _hash(canonical_json(document)),
        "prompt_hash": _hash(problem.prompt),
        "target_hash": _hash(problem.answer),
        METRIC: sum(record.score for record in records) / len(records),
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
