"""Interventions on one run's update: parts and rescalings of it are put on the base, and each is evaluated."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from effopd.evaluation.accuracy import grade
from effopd.evaluation.context import check_context
from effopd.evaluation.statistics import bootstrap
from effopd.files import DataError, read_json, read_jsonl, sha256, write_json
from effopd.interventions.experiments import interventions
from effopd.interventions.scaling import update_norm
from effopd.params.engine import ALL_BUT_PRECISION, EngineParams
from effopd.params.evaluate import EvaluateParams
from effopd.params.interventions import InterventionParams
from effopd.params.rollout import RolloutParams
from effopd.params.run import RunParams
from effopd.rollout.policy import open_policy
from effopd.seeding import generator
from effopd.tasks.problems import read_problems
from effopd.trajectory.layout import METRICS
from effopd.trajectory.store import read_checkpoint, step_folder, stored_steps
from stages.harness import MODELS, SCRATCH, Stage, run
from stages.machine import set_up
from stages.which_run import Method, Rate, Replicate, named

INTERVENTIONS = Path("reports/interventions")


def main(method: Method, replicate: Replicate = None, rate: Rate = None) -> None:
    """Write reports/interventions/RUN.parquet: a row for each intervention, with the mean score of each problem."""
    stage = Stage()
    name = named(method, replicate, rate)
    shared = stage.params("run", RunParams, unused=("replicates",))
    evaluate = stage.params("evaluate", EvaluateParams, unused=("samples", "pass_at"))
    params = stage.params("interventions", InterventionParams, unused=("methods",))
    rollout = stage.params("rollout", RolloutParams, unused=("gpu_memory", "mismatch_budget"))
    precision = stage.params("engine", EngineParams, unused=ALL_BUT_PRECISION).precision
    problems = read_problems(stage.input("data/test.parquet"))
    done = SCRATCH / "interventions" / stage.key()  # scores by weights: runs share the base, a killed stage goes on
    trained = stage.input(MODELS / name)
    stage.check_place(INTERVENTIONS / f"{name}.parquet")
    device = set_up(shared)

    steps = stored_steps(trained)
    check_context(step_folder(trained, steps[0]), problems, rollout.max_new_tokens, "data/test.parquet")
    accuracies = _training_accuracies(trained / METRICS) if params.extrapolated_from else {}
    base, final = read_checkpoint(trained, steps[0]), read_checkpoint(trained, steps[-1])
    policy = open_policy(step_folder(trained, steps[-1]), rollout, precision, device)
    planned = interventions(base, final, lambda step: read_checkpoint(trained, step), steps, accuracies, params)
    rows = []
    for intervention, weights in tqdm(planned, desc=f"interventions on {name}", unit="model"):
        scores_file = done / f"{sha256(*(sha256(weight.numpy().tobytes()) for weight in weights.values()))}.json"
        if not scores_file.exists():
            policy.put(weights)
            graded = grade(
                policy,
                problems,
                samples=params.samples,
                greedy=False,
                seed=shared.seed,
                max_new_tokens=rollout.max_new_tokens,
                batch_size=evaluate.batch_size,
            )
            stage.check_before_save()
            write_json(scores_file, graded.scores_NS.mean(-1).tolist())
        scores = read_json(scores_file)
        estimate = bootstrap(
            np.array(scores),
            evaluate.confidence,
            evaluate.resamples,
            generator(shared.seed, "bootstrap"),
        )
        measured = {"accuracy": estimate.mean, "low": estimate.low, "high": estimate.high, "n": estimate.n}
        rows.append(asdict(intervention) | {"update_norm": update_norm(base, weights)} | measured | {"scores": scores})

    file = stage.output(INTERVENTIONS / f"{name}.parquet")
    pq.write_table(pa.Table.from_pylist(rows), file, compression="zstd")
    stage.publish()
    print(f"{name}: {len(rows)} interventions, base {rows[0]['accuracy']:.3f}, trained {rows[1]['accuracy']:.3f}")


def _training_accuracies(log: Path) -> dict[int, float]:
    """Accuracy on training prompts by the step of the weights: a step samples with those of the step before."""
    found = {}
    for number, row in enumerate(read_jsonl(log), start=1):
        if missing := {"step", "accuracy"} - row.keys():
            raise DataError(f"{log}, row {number}: {min(missing)} is missing")
        found[row["step"] - 1] = row["accuracy"]
    if not found:
        raise DataError(f"{log}: no step is logged")
    return found


if __name__ == "__main__":
    run(main)
