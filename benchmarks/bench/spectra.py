"""Singular values of an update of Qwen3-0.6B's shapes, a layer at a turn: ours, torch's and WeightWatcher's.

The update is planted: its singular values fall off by a power law. Figures of Table 1 are made of all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from benchmarks.bench.party import Options, Turns
from effopd.spectral.geometry import update_spectrum
from effopd.spectral.metrics import effective_rank, mean, spectral_frobenius_ratio, spectral_norm, top1_norm_ratio

SHAPES = {"q": (2048, 1024), "k": (1024, 1024), "v": (1024, 1024), "o": (1024, 2048)} | {
    "gate": (3072, 1024),
    "up": (3072, 1024),
    "down": (1024, 3072),
}
FIGURES = {
    "spectral_norm": spectral_norm,
    "spectral_frobenius_ratio": spectral_frobenius_ratio,
    "effective_rank": effective_rank,
    "top1_norm_ratio": top1_norm_ratio,
}


def ours(options: Options, turns: Turns) -> None:
    def spectrum(update_MN: Tensor) -> Tensor:
        return update_spectrum(torch.zeros_like(update_MN), update_MN)

    repeat(options, turns, lambda updates: {name: spectrum(update) for name, update in updates.items()})


def by_svdvals(options: Options, turns: Turns) -> None:
    repeat(options, turns, lambda updates: {name: torch.linalg.svdvals(update) for name, update in updates.items()})


def by_svd(options: Options, turns: Turns) -> None:
    def spectrum(update_MN: Tensor) -> Tensor:
        return torch.linalg.svd(update_MN, full_matrices=False).S

    repeat(options, turns, lambda updates: {name: spectrum(update) for name, update in updates.items()})


def by_weightwatcher(options: Options, turns: Turns) -> None:
    """As its users call it, which fits a power law to each spectrum too."""
    import weightwatcher

    updates = planted(options)
    model = nn.Sequential(*(nn.Linear(*reversed(update.shape), bias=False) for update in updates.values()))
    for layer, update in zip(model, updates.values(), strict=True):
        layer.weight.data.copy_(update)
    watcher = weightwatcher.WeightWatcher(model=model)

    while True:
        turns.next()
        watcher.analyze(min_evals=1)


def repeat(options: Options, turns: Turns, spectra: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]) -> None:
    updates, found = planted(options), dict[str, Tensor]()
    try:
        while True:
            turns.next()
            found = spectra(updates)
    finally:
        rows = [values_R.double() for values_R in found.values()]
        turns.about["figures"] = {name: mean(figure(values_R) for values_R in rows) for name, figure in FIGURES.items()}


def planted(options: Options) -> dict[str, Tensor]:
    """One layer's update, the same on every side."""
    torch.set_num_threads(1)
    draws, found = torch.Generator().manual_seed(0), {}
    for name, shape in SHAPES.items():
        rows, columns = (side // 32 if options.quick else side for side in shape)
        shorter = min(rows, columns)
        left, right = (torch.randn(side, shorter, generator=draws) / math.sqrt(side) for side in (rows, columns))
        found[name] = 1e-3 * (left * torch.arange(1, shorter + 1) ** -0.5 @ right.T)
    return found
