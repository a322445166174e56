"""The learning curve of one run: accuracy of each of its checkpoints on the test problems."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tqdm import tqdm

from effopd.evaluation.accuracy import grade
from effopd.evaluation.context import check_context
from effopd.evaluation.curve import curve_row
from effopd.files import hash_path, read_json, write_json
from effopd.params.engine import ALL_BUT_PRECISION, EngineParams
from effopd.params.evaluate import EvaluateParams
from effopd.params.rollout import RolloutParams
from effopd.params.run import RunParams
from effopd.rollout.policy import open_policy
from effopd.tasks.problems import read_problems
from effopd.trajectory.store import read_checkpoint, step_folder, stored_steps
from stages.harness import MODELS, SCRATCH, Stage, run
from stages.machine import set_up
from stages.which_run import Method, Rate, Replicate, named

EVALUATION = Path("reports/evaluation")


def main(method: Method, replicate: Replicate = None, rate: Rate = None) -> None:
    """Write reports/evaluation/RUN/curve.json, a row for each checkpoint, and metrics.json, the last of them."""
    stage = Stage()
    name = named(method, replicate, rate)
    shared = stage.params("run", RunParams, unused=("replicates",))
    params = stage.params("evaluate", EvaluateParams)
    rollout = stage.params("rollout", RolloutParams, unused=("gpu_memory", "mismatch_budget"))
    precision = stage.params("engine", EngineParams, unused=ALL_BUT_PRECISION).precision
    problems = read_problems(stage.input("data/test.parquet"))
    done = SCRATCH / "evaluation" / stage.key()  # rows by weights: only new ones are evaluated
    trained = stage.input(MODELS / name)
    stage.check_place(EVALUATION / name)
    device = set_up(shared)

    steps = stored_steps(trained)
    first = step_folder(trained, steps[0])
    check_context(first, problems, rollout.max_new_tokens, "data/test.parquet")
    policy = open_policy(first, rollout, precision, device)
    ends = (steps[0], steps[-1])
    rows = []
    for step in tqdm(steps, desc=f"evaluate {name}", unit="checkpoint"):
        checkpoint = step_folder(trained, step)
        row_file = done / hash_path(checkpoint) / f"{'ends' if step in ends else 'between'}.json"
        if not row_file.exists():
            if step != steps[0]:  # it was opened with these
                policy.put(read_checkpoint(trained, step))
            draw = partial(
                grade,
                policy,
                problems,
                seed=shared.seed,
                max_new_tokens=rollout.max_new_tokens,
                batch_size=params.batch_size,
            )
            sampled = draw(samples=params.samples, greedy=False)
            greedy = draw(samples=1, greedy=True) if step in ends else None
            stage.check_before_save()
            write_json(row_file, curve_row(step, sampled, greedy, params, shared.seed))
        rows.append(read_json(row_file) | {"step": step})

    folder = stage.output(EVALUATION / name)
    write_json(folder / "curve.json", rows)
    write_json(folder / "metrics.json", rows[-1])
    stage.publish()
    print(f"{name}: accuracy {rows[-1]['accuracy']:.3f} ({rows[-1]['low']:.3f}–{rows[-1]['high']:.3f})")


if __name__ == "__main__":
    run(main)
