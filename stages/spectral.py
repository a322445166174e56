"""The weight updates of one run along its training: spectra, alignment with the final update, norms by layer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from effopd.files import write_json
from effopd.params.run import RunParams
from effopd.params.spectral import SpectralParams
from effopd.spectral.analysis import analyse_trajectory
from effopd.spectral.metrics import embedding_cosine, layer_update_norms
from effopd.spectral.modules import embedding_name, left_out, left_out_line, weight_matrices
from effopd.trajectory.store import open_checkpoint, stored_steps
from stages.harness import MODELS, Stage, run
from stages.machine import set_up
from stages.which_run import Method, Rate, Replicate, named

SPECTRAL = Path("reports/spectral")


def main(method: Method, replicate: Replicate = None, rate: Rate = None) -> None:
    """Write reports/spectral/RUN.

    summary.json with averages; a row for each matrix and checkpoint in matrices.parquet (norms and ratios) and, for
    either side of its singular vectors, in alignment.parquet; a row for each matrix and side in directions.parquet (how
    the leading vector travelled), and for each matrix in spectra.parquet (all singular values of the final update) and
    linearity.parquet (how straight its weights went).
    """
    stage = Stage()
    name = named(method, replicate, rate)
    shared = stage.params("run", RunParams, unused=("replicates", "seed"))
    params = stage.params("spectral", SpectralParams)
    trained = stage.input(MODELS / name)
    device = set_up(shared)

    base_step, *steps = stored_steps(trained)
    checkpoints = {step: open_checkpoint(trained, step) for step in (base_step, *steps)}
    shapes = {name: stored.shape for name, stored in checkpoints[base_step].stored.items()}

    def load(step: int, tensor: str) -> Tensor:
        return checkpoints[step][tensor].to(device)

    analysis = analyse_trajectory(load, shapes, steps, base_step=base_step, top_k=params.top_k)
    embedding = embedding_name(shapes)
    final = steps[-1]
    averages = analysis.averages()
    uncounted = left_out(shapes, weight_matrices(shapes))
    base_embedding = load(base_step, embedding)
    cosines = {step: embedding_cosine(base_embedding, load(step, embedding)) for step in steps}
    summary = {
        "steps": {step: asdict(row) | {"embedding_cosine": cosines[step].mean} for step, row in averages.items()},
        "alignment": [asdict(row) for row in analysis.average_alignment()],
        "explained_variance": analysis.explained_variance(),
        "layers": [asdict(row) for row in layer_update_norms(analysis.metrics[final])],
        "embedding_cosine": asdict(cosines[final]),
        "r_squared": analysis.mean_r_squared(),
        "left_out": [asdict(row) for row in uncounted],
    }
    tables = {
        "matrices": [{"step": step, **asdict(row)} for step, matrices in analysis.metrics.items() for row in matrices],
        "alignment": [asdict(row) for row in analysis.alignment],
        "directions": [asdict(row) for row in analysis.paths],
        "spectra": [asdict(row) for row in analysis.spectra],
        "linearity": [asdict(row) for row in analysis.linearity],
    }

    folder = stage.output(SPECTRAL / name)
    write_json(folder / "summary.json", summary)
    for table, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{table}.parquet", compression="zstd")
    stage.publish()
    last = averages[final]
    rank = "none" if last.effective_rank is None else f"{last.effective_rank:.1f}"
    print(f"{name}: update norm {last.total_update_norm:.3f}, effective rank {rank}")
    print(left_out_line(uncounted, sum(stored.numbers for stored in checkpoints[base_step].stored.values())))


if __name__ == "__main__":
    run(main)
