"""What foresight costs a run, and how far its sketches are from decompositions: after `make repro`,

    make peers && .venv-peers/bin/python benchmarks/foresight.py

The run is that of benchmarks/callback.py: TRL's trainer in the built-in world, here with searches that keep nothing.
Sketched are updates of the built-in world, and matrices of real models' sizes with singular values that fall off by a
power law. Processor seconds on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import fmean, median

import torch
from callback import Way, World, train
from torch import Tensor

from effopd.callback import EffOPDCallback
from effopd.params.schema import check_file
from effopd.spectral.alignment import align
from effopd.spectral.modules import weight_matrices
from effopd.spectral.sketch import Sketch, sketch
from effopd.trajectory.store import read_checkpoint

LARGE = ((1024, 3072), (2048, 2048), (2048, 6144))
POWERS = (0.5, 1.0)
BY_DECOMPOSITION = 10**9


def updates(run: Path, step: int) -> Iterator[Tensor]:
    base, trained = read_checkpoint(run, 0), read_checkpoint(run, step)
    for matrix in weight_matrices({name: weight.shape for name, weight in base.items()}):
        yield matrix.of(trained) - matrix.of(base)


def planted(rows: int, columns: int, power: float) -> Tensor:
    """A random matrix whose j-th singular value is about j^-power of the first."""
    draws = torch.Generator().manual_seed(0)
    shorter = min(rows, columns)
    left, right = (
        torch.randn(side, shorter, generator=draws) / side**0.5 for side in (rows, columns)
    )  # nearly orthonormal columns
    return left * torch.arange(1, shorter + 1) ** -power @ right.T


def timed(make: Callable[[], Sketch | None]) -> tuple[Sketch, float]:
    began = time.process_time()
    found = make()
    assert found is not None
    return found, time.process_time() - began


def compared(some: Iterator[Tensor]) -> str:
    """Ratio of times, errors of the effective rank found and said, and agreement of the leading vectors: means."""
    rows = []
    for update in some:
        exact, slow = timed(partial(sketch, update, 0, BY_DECOMPOSITION))
        found, fast = timed(partial(sketch, update, 0, 0))
        error = found.effective_rank / exact.effective_rank - 1
        said = found.effective_rank_error / found.effective_rank
        angle = align(found.left_MK, exact.left_MK).principal_angle or 0.0
        rows.append((slow, fast, error, abs(error), said, angle))
    slow, fast, bias, error, said, angle = (fmean(column) for column in zip(*rows, strict=True))
    return (
        f"decomposition {slow:.3f} s, sketch {fast:.3f} s; effective rank off by {error:.2%} (on average {bias:+.2%}, "
        f"said {said:.2%}); leading vectors agree to {angle:.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(), help="workspace whose models and data are used")
    options = parser.parse_args()
    torch.set_num_threads(1)
    here = World(options.root, check_file(options.root / "params.yaml"))
    rate = here.params.opd.learning_rate
    looking = partial(EffOPDCallback, multipliers=[0.0], accept=">", foresight=True)
    shares = [train(here, Way("", rate, looking), r, None)["foresight"] for r in here.params.run.replicates]
    print(f"share of a run's processor seconds: {median(shares):.2%} ({', '.join(f'{s:.2%}' for s in shares)})")
    for step in (1, 8, 64):
        print(f"built-in world, step {step}: {compared(updates(options.root / 'models/opd-0', step))}", flush=True)
    for shape in LARGE:
        for power in POWERS:
            print(f"{shape}, power {power}: {compared(iter([planted(*shape, power)]))}", flush=True)


if __name__ == "__main__":
    main()
