"""The weight updates of one run along its training: spectra, alignment with the final update, norms by layer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from typer import Argument

from effopd.files import atomic_path, write_json
from effopd.models.weights import WEIGHTS, open_weights
from effopd.params.run import RunParams
from effopd.params.spectral import SpectralParams
from effopd.spectral.analysis import analyse_trajectory
from effopd.spectral.metrics import embedding_cosine, layer_update_norms
from effopd.spectral.modules import embedding_name
from effopd.trajectory.store import read_checkpoint, step_folder, stored_steps
from stages.harness import MODELS, Stage, run

SPECTRAL = Path("reports/spectral")


def main(name: Annotated[str, Argument(metavar="RUN", help="A folder of checkpoints under models/.")]) -> None:
    """Write reports/spectral/RUN.

    summary.json; matrices.parquet with a row for each matrix and checkpoint; spectra.parquet with all singular values
    of each matrix's final update.
    """
    stage = Stage()
    shared = stage.params("run", RunParams, unused=("replicates", "seed"))
    params = stage.params("spectral", SpectralParams)
    trained = stage.input(MODELS / name)
    torch.set_num_threads(shared.threads)

    base_step, *steps = stored_steps(trained)
    names = read_checkpoint(trained, base_step).keys()  # the one whole read: it reports a damaged file by name

    def load(step: int, tensor: str) -> Tensor:
        with open_weights(step_folder(trained, step) / WEIGHTS) as weights:
            return weights.get_tensor(tensor)

    analysis = analyse_trajectory(load, names, steps, base_step=base_step, top_k=params.top_k)
    embedding = embedding_name(names)
    final = steps[-1]
    averages = analysis.averages()
    summary = {
        "steps": {step: asdict(row) for step, row in averages.items()},
        "alignment": [asdict(row) for row in analysis.average_alignment()],
        "explained_variance": analysis.explained_variance(),
        "layers": [asdict(row) for row in layer_update_norms(analysis.metrics[final])],
        "embedding_cosine": asdict(embedding_cosine(load(base_step, embedding), load(final, embedding))),
    }
    rows = [{"step": step, **asdict(row)} for step, matrices in analysis.metrics.items() for row in matrices]

    stage.check_unchanged()
    with atomic_path(SPECTRAL / name) as folder:
        write_json(folder / "summary.json", summary)
        pq.write_table(pa.Table.from_pylist(rows), folder / "matrices.parquet", compression="zstd")
        spectra = pa.Table.from_pylist([asdict(row) for row in analysis.spectra])
        pq.write_table(spectra, folder / "spectra.parquet", compression="zstd")
    last = averages[final]
    print(f"{name}: update norm {last.total_update_norm:.3f}, effective rank {last.effective_rank:.1f}")


if __name__ == "__main__":
    run(main)
