"""Foresight while a run trains: how its update grows, and whether it already points where it did at earlier steps."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean

import torch
from torch import Tensor

from effopd.seeding import derive_seed
from effopd.spectral.alignment import align
from effopd.spectral.modules import WeightMatrix, weight_matrices
from effopd.spectral.sketch import Sketch, sketch


class Foresight:
    """Sketches of the attention and MLP matrices of ΔW = W − W_start at some steps of a run.

    start: the float32 parameters before the first step, by name, which stay as they are: copies, or a checkpoint that
    is read tensor by tensor. device: where sketches are made. Raises `DataError` where there are no matrices.
    """

    def __init__(self, start: Mapping[str, Tensor], device: torch.device) -> None:
        self._start, self._device = start, device
        self._matrices = defaultdict[str, list[WeightMatrix]](list)
        for matrix in weight_matrices({name: weight.shape for name, weight in start.items()}):
            self._matrices[matrix.parameter].append(matrix)
        self._seen: dict[int, dict[str, Tensor]] = {}

    @torch.no_grad()
    def measure(self, step: int, weights: Iterable[tuple[str, Tensor]]) -> dict[str, float]:
        """What is seen of the whole float32 `weights`, one by one, and remembered for later steps.

        norm/PART and effective_rank/PART: means over the layers' matrices of one name, such as q_proj.
        effective_rank_error/PART: the standard error of that mean, where matrices are so large that it is an estimate.
        alignment/STEP: the mean cosine of the principal angles between the spans of the leading left singular vectors
        now and at an earlier step, over matrices.
        """
        sketches = {matrix: found for matrix, found in self._sketches(step, weights) if found}
        parts = defaultdict[str, list[Sketch]](list)
        for matrix, found in sketches.items():
            parts[re.sub(r"\.\d+(?=\.)", "", matrix.part)].append(found)
        row = {}
        for part, several in sorted(parts.items()):
            row[f"norm/{part}"] = fmean(found.norm for found in several)
            row[f"effective_rank/{part}"] = fmean(found.effective_rank for found in several)
            if error := math.hypot(*(found.effective_rank_error for found in several)):
                row[f"effective_rank_error/{part}"] = error / len(several)
        now = {matrix.name: found.left_MK for matrix, found in sketches.items()}
        for earlier, then in self._seen.items():
            angles = [align(then[name], now[name]).principal_angle for name in now if name in then]
            row |= {f"alignment/{earlier}": fmean(angle for angle in angles if angle is not None)} if angles else {}
        self._seen[step] = now
        return row

    def _sketches(
        self, step: int, weights: Iterable[tuple[str, Tensor]]
    ) -> Iterator[tuple[WeightMatrix, Sketch | None]]:
        for name, weight in weights:
            if matrices := self._matrices.get(name):
                update = weight.to(self._device, torch.float32) - self._start[name].to(self._device, torch.float32)
                for matrix in matrices:
                    yield matrix, sketch(matrix.taken_from(update), derive_seed(step, "sketch", matrix.name))

    @property
    def state(self) -> dict[str, Tensor]:
        """What a killed run needs back."""
        vectors = {f"{step}/{name}": left for step, seen in self._seen.items() for name, left in seen.items()}
        return {"start": self._fingerprint()} | vectors

    def load_state(self, state: Mapping[str, Tensor]) -> bool:
        """Whether it belongs to a run that started from the same weights; otherwise nothing is loaded."""
        if not state["start"].equal(self._fingerprint()):
            return False
        for place in state.keys() - {"start"}:
            step, name = place.split("/", 1)
            self._seen.setdefault(int(step), {})[name] = state[place]
        self._seen = dict(sorted(self._seen.items()))
        return True

    def _fingerprint(self) -> Tensor:
        """Sums of the weights' bits as integers, which no order of adding changes."""
        weights = (self._start[name] for name in sorted(self._matrices))
        return torch.tensor([int(weight.view(torch.int32).sum(dtype=torch.int64)) for weight in weights])
