"""Write what is trained and tested on: the built-in world or a dataset, the benchmarks, and what they share."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from effopd.datasets import catalogue
from effopd.datasets.catalogue import Dataset
from effopd.datasets.contamination import NGRAM, find_overlaps
from effopd.datasets.prompts import Renderer
from effopd.datasets.spec import SPECS
from effopd.datasets.student import without_too_long
from effopd.files import DataError, write_json
from effopd.params.benchmark import BenchmarkParams
from effopd.params.data import DataParams
from effopd.params.model import ModelParams
from effopd.params.prompt import PromptParams
from effopd.params.rollout import RolloutParams
from effopd.params.run import RunParams
from effopd.seeding import generator
from effopd.tasks import arithmetic
from effopd.tasks.problems import UNGRADED, Demonstration, Problem, write_demonstrations, write_problems
from stages.harness import Stage, run

DATA = Path("data")
SOURCES, MODELS = DATA / "sources", DATA / "models"


def main() -> None:
    """Write data/*.parquet, data/about.json and data/benchmarks/."""
    stage = Stage()
    seed = stage.params("run", RunParams, unused=("replicates", "threads", "device")).seed
    params = stage.params("data", DataParams)
    prompt = stage.params("prompt", PromptParams)
    benchmark = stage.params("benchmark", BenchmarkParams, unused=_UNUSED)
    student = stage.params("model", ModelParams, unused=_UNUSED_SIZES)
    length = stage.params("rollout", RolloutParams, unused=("engine", "gpu_memory", "mismatch_budget")).max_new_tokens
    stage.input(SOURCES)
    stage.input(SPECS)
    if student.source and (MODELS / student.source).is_dir():
        stage.input(MODELS / student.source)
    if prompt.style == "chat" and Path(prompt.tokenizer).is_dir():
        stage.input(prompt.tokenizer)
    renderer = Renderer(prompt)

    if params.source == arithmetic.TASK:
        splits = arithmetic.sample_splits(seed, params)
        held_out = {problem.prompt for problems in splits.values() for problem in problems}
        demonstrations = arithmetic.sample_demonstrations(
            generator(seed, "demonstrations"), params.demonstrations, held_out
        )
        questions = {name: [problem.prompt for problem in problems] for name, problems in splits.items()}
        title = f"Chains of {params.operations} operations over digits, modulo 10"
        about = {"title": title, "licence": "", "source": "built in", "revision": "", "rejected": [], "merged": 0}
    else:
        dataset = without_too_long(catalogue.load(params.source, SOURCES, seed), renderer, student, MODELS, length)
        merged = len(dataset.examples) - len(catalogue.different(dataset.examples))
        splits, questions, demonstrations = _from_dataset(dataset, params, renderer, seed)
        about = _about(dataset) | {"merged": merged}
        if merged:
            print(f"{dataset.name}: {merged} rows put the same question as another and are merged with it")
    benchmarks = {name: catalogue.load(name, SOURCES, seed) for name in benchmark.datasets}
    questions |= {name: [example.question for example in set_.examples] for name, set_ in benchmarks.items()}
    rendered = {name: _problems(dataset, renderer, benchmark.limit) for name, dataset in benchmarks.items()}
    if renderer.merged_system:
        print("the chat template has no place for a system turn: its text opens the first turn of the user")
    shared = {name: _contamination(questions["train"], questions[name]) for name in ("test", *benchmarks)}

    for name, problems in splits.items():
        write_problems(stage.output(DATA / f"{name}.parquet"), problems)
    write_demonstrations(stage.output(DATA / "demonstrations.parquet"), demonstrations)
    sizes = {name: len(problems) for name, problems in splits.items()}
    write_json(stage.output(DATA / "about.json"), about | {"splits": sizes, "first_prompt": splits["train"][0].prompt})
    folder = stage.output(DATA / "benchmarks")
    write_json(folder / "contamination.json", shared)
    for name, dataset in benchmarks.items():
        write_problems(folder / f"{name}.parquet", rendered[name])
        custom = {"samples": dataset.samples, "shots": len(dataset.prompt.shots)}
        asked = {"questions": len(rendered[name]), "first_prompt": rendered[name][0].prompt}
        write_json(folder / f"{name}.json", _about(dataset) | custom | asked)
    stage.publish()
    print(", ".join(f"{name} {len(problems)}" for name, problems in (splits | rendered).items()))
    for name, found in shared.items():
        if found["exact"] or found["ngram"]:
            print(f"{name}: {found['exact']} questions are in train word for word, {found['ngram']} more in part")


_UNUSED_SIZES = ("vocabulary", "hidden_size", "layers", "heads", "kv_heads", "mlp_size", "context")
_UNUSED = ("runs", "samples", "max_new_tokens", "batch_size", "allow_unsandboxed", "url")


def _from_dataset(
    dataset: Dataset, params: DataParams, renderer: Renderer, seed: int
) -> tuple[dict[str, list[Problem]], dict[str, list[str]], list[Demonstration]]:
    """Problems and questions of each split, and demonstrations of the training questions."""
    _tell_rejected(dataset)
    sizes = {"test": params.test, "dev": params.dev, "validation": params.validation, "train": params.train}
    parts = catalogue.split(dataset.examples, sizes, seed)
    splits = {name: [catalogue.problem(e, dataset, renderer) for e in part] for name, part in parts.items()}
    questions = {name: [example.question for example in part] for name, part in parts.items()}
    shown = parts["train"][: params.demonstrations.examples]
    demonstrations = [d for e in shown if (d := catalogue.demonstration(e, dataset, renderer)) is not None]
    print(f"{dataset.title}: the first prompt is\n{splits['train'][0].prompt}")
    return splits, questions, demonstrations


def _problems(dataset: Dataset, renderer: Renderer, limit: int) -> list[Problem]:
    _tell_rejected(dataset)
    chosen = dataset.examples[:limit] if limit else dataset.examples
    if ungraded := next((example for example in chosen if example.task == UNGRADED), None):
        raise DataError(f"{dataset.local}: row {ungraded.row} has no answer, which a benchmark needs")
    return [catalogue.problem(example, dataset, renderer) for example in chosen]


def _contamination(train: list[str], test: list[str]) -> dict[str, Any]:
    overlaps = find_overlaps(train, test)
    return {
        "questions": len(test),
        "train_questions": len(train),
        "ngram_words": NGRAM,
        "exact": sum(overlap.kind == "exact" for overlap in overlaps),
        "ngram": sum(overlap.kind == "ngram" for overlap in overlaps),
        "overlaps": [asdict(overlap) for overlap in overlaps],
    }


def _about(dataset: Dataset) -> dict[str, Any]:
    """Where a dataset is from, and what of it could not be used."""
    source = "the user's own file" if dataset.source is None else dataset.source.repository
    return {
        "title": dataset.title,
        "licence": dataset.licence,
        "source": source,
        "revision": "a local copy" if dataset.local else dataset.source.revision if dataset.source else "",
        "rejected": [asdict(rejected) for rejected in dataset.rejected],
    }


def _tell_rejected(dataset: Dataset) -> None:
    for rejected in dataset.rejected[:5]:
        print(f"{dataset.name}: row {rejected.row} is left out: {rejected.reason}")
    if len(dataset.rejected) > 5:
        print(f"{dataset.name}: {len(dataset.rejected) - 5} more rows are left out")


if __name__ == "__main__":
    run(main)
