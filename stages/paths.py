"""The paths of all runs through weight space, in one plane."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from effopd.files import DataError, write_json
from effopd.params.run import RunParams
from effopd.params.runs import planned_runs
from effopd.spectral.paths import plane, update_gram
from effopd.trajectory.store import open_checkpoint, stored_steps
from stages.harness import MODELS, Stage, run

PATHS = Path("reports/paths.json")


def main() -> None:
    """Write reports/paths.json: each checkpoint of every run, where trained, with its place in the plane."""
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("seed", "device"))
    planned = [MODELS / run.name for run in planned_runs(shared.replicates, sweep=())]
    runs = [stage.input(folder) for folder in planned if folder.is_dir()]
    if not runs:
        raise DataError(f"none of {', '.join(map(str, planned))} is there; train one first")
    torch.set_num_threads(shared.threads)

    points = [(trained, step) for trained in runs for step in stored_steps(trained)]
    checkpoints = [open_checkpoint(trained, step) for trained, step in points]
    base = checkpoints[0]

    def load(point: int, tensor: str, rows: slice) -> Tensor:
        return (base if point < 0 else checkpoints[point]).rows(tensor, rows)

    shapes = {name: stored.shape or (1,) for name, stored in base.stored.items() if stored.is_floating}
    gram_NN = update_gram(load, shapes, len(points))
    found = plane(gram_NN)

    write_json(stage.output(PATHS), {
        "parameters": sum(torch.Size(shape).numel() for shape in shapes.values()),
        "explained": found.explained,
        "points": [
            {"run": trained.name, "step": step, "x": x, "y": y, "update_norm": norm}
            for (trained, step), (x, y), norm in zip(
                points, found.coordinates_N2.tolist(), gram_NN.diagonal().sqrt().tolist(), strict=True
            )
        ],
    })  # fmt: skip
    stage.publish()
    print(f"{PATHS}: {len(points)} checkpoints, {sum(found.explained):.0%} of their variance in the plane")


if __name__ == "__main__":
    run(main)
