"""The paths of all runs through weight space, in one plane."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from effopd.files import DataError, write_json
from effopd.models.weights import WEIGHTS, open_weights
from effopd.params.run import RunParams
from effopd.params.runs import planned_runs
from effopd.spectral.paths import plane, update_gram
from effopd.trajectory.store import read_checkpoint, step_folder, stored_steps
from stages.harness import MODELS, Stage, run

PATHS = Path("reports/paths.json")


def main() -> None:
    """Write reports/paths.json: each checkpoint of rl, opd and effopd, where trained, with its place in the plane."""
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("seed", "device"))
    planned = [MODELS / run.name for run in planned_runs(shared.replicates, sweep=())]
    runs = [stage.input(folder) for folder in planned if folder.is_dir()]
    if not runs:
        raise DataError(f"none of {', '.join(map(str, planned))} is there; train one first")
    torch.set_num_threads(shared.threads)

    points = [(trained, step) for trained in runs for step in stored_steps(trained)]
    files = [step_folder(trained, step) / WEIGHTS for trained, step in points]
    base = read_checkpoint(*points[0])  # the one whole read: it reports a damaged file by name

    def load(point: int, tensor: str, rows: slice) -> Tensor:
        if point < 0:
            return base[tensor][rows]
        with open_weights(files[point]) as weights:
            return weights.get_slice(tensor)[rows]

    gram_NN = update_gram(load, {name: tensor.shape for name, tensor in base.items()}, len(points))
    found = plane(gram_NN)

    stage.check_unchanged()
    write_json(PATHS, {
        "parameters": sum(tensor.numel() for tensor in base.values()),
        "explained": found.explained,
        "points": [
            {"run": trained.name, "step": step, "x": x, "y": y, "update_norm": norm}
            for (trained, step), (x, y), norm in zip(
                points, found.coordinates_N2.tolist(), gram_NN.diagonal().sqrt().tolist(), strict=True
            )
        ],
    })  # fmt: skip
    print(f"{PATHS}: {len(points)} checkpoints, {sum(found.explained):.0%} of their variance in the plane")


if __name__ == "__main__":
    run(main)
