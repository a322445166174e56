"""One benchmark for the final weights of one run, with a record of every completion."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

from tqdm import tqdm
from typer import Option

from effopd.evaluation.benchmark import summarise
from effopd.evaluation.context import check_context
from effopd.evaluation.harness_export import export
from effopd.evaluation.records import evaluate, write_records
from effopd.files import hash_path, read_json, write_json
from effopd.params.benchmark import BenchmarkParams
from effopd.params.engine import ALL_BUT_PRECISION, EngineParams
from effopd.params.evaluate import EvaluateParams
from effopd.params.rollout import RolloutParams
from effopd.params.run import RunParams
from effopd.rollout.policy import open_policy
from effopd.rollout.served import serve
from effopd.sandbox.run import SandboxError
from effopd.tasks.problems import Problem, read_problems
from effopd.tasks.verifiers import check_gradable, verify_all
from effopd.trajectory.store import step_folder, stored_steps
from stages.harness import MODELS, SCRATCH, Stage, run
from stages.machine import set_up

BENCHMARKS = Path("reports/benchmarks")
DATA = Path("data/benchmarks")


def main(
    name: Annotated[str, Option("--run", help="A model, or a folder of checkpoints, under models/.")],
    dataset: Annotated[str, Option(help="One of benchmark.datasets.")],
) -> None:
    """Write reports/benchmarks/RUN/DATASET: metrics.json, records.parquet, and lm-eval/ for that harness's tools."""
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("replicates",))
    params = stage.params("benchmark", BenchmarkParams, unused=("datasets", "runs", "limit"))
    confidence = stage.params("evaluate", EvaluateParams, unused=("samples", "pass_at", "batch_size", "resamples"))
    problems = read_problems(stage.input(DATA / f"{dataset}.parquet"))
    about = read_json(stage.input(DATA / f"{dataset}.json"))
    if not params.allow_unsandboxed:
        _check_gradable(problems)
    if not params.url:
        rollout = stage.params("rollout", RolloutParams, unused=("gpu_memory", "max_new_tokens", "mismatch_budget"))
        precision = stage.params("engine", EngineParams, unused=ALL_BUT_PRECISION).precision
    key = stage.key(without=("benchmark.samples", "benchmark.batch_size", "evaluate.confidence"))
    folder = stage.input(MODELS / name)
    weights = folder if (folder / "config.json").is_file() else step_folder(folder, stored_steps(folder)[-1])
    samples = params.samples or about["samples"]
    check_context(weights, problems, params.max_new_tokens, f"{DATA / dataset}.parquet")
    stage.check_place(BENCHMARKS / name / dataset)

    policy = serve(params.url, weights) if params.url else open_policy(weights, rollout, precision, set_up(shared))
    stage.check_before_save()
    journal = SCRATCH / "benchmark" / key / f"{hash_path(weights)}.jsonl"
    with tqdm(total=len(problems) * samples, desc=f"{name} {dataset}", unit="completion") as bar:
        records = evaluate(
            policy,
            problems,
            partial(verify_all, workers=os.cpu_count() or 1, allow_unsandboxed=params.allow_unsandboxed),
            samples=samples,
            seed=shared.seed,
            max_new_tokens=params.max_new_tokens,
            batch_size=params.batch_size,
            journal=journal,
            progress=bar.update,
        )
    summary = summarise(records, samples, confidence=confidence.confidence, seed=shared.seed)

    settings = {"seed": shared.seed, "max_new_tokens": params.max_new_tokens, "shots": about["shots"]}
    target = stage.output(BENCHMARKS / name / dataset)
    write_json(target / "metrics.json", summary | {"title": about["title"], "first_prompt": about["first_prompt"]})
    write_records(target / "records.parquet", problems, records)
    export(target / "lm-eval", dataset, f"{MODELS / name}", problems, records, summary, settings)
    stage.publish()
    if summary["not_judged"]:
        print(f"{name}, {about['title']}: {summary['not_judged']} problems are left out, which their data cannot judge")
    interval = f"{summary['low']:.3f}–{summary['high']:.3f}"
    print(f"{name}, {about['title']}: avg@{samples} {summary['accuracy']:.3f} ({interval})")


def _check_gradable(problems: list[Problem]) -> None:
    try:
        check_gradable(problems)
    except SandboxError as error:
        alternative = "or set benchmark.allow_unsandboxed: true to run strangers' programs unprotected"
        raise SandboxError(f"{error}; {alternative}") from None


if __name__ == "__main__":
    run(main)
