"""EffOPD: leap along the last update and keep the leap while a score does not get worse (arXiv 2605.11739)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from effopd.extrapolation.line import Line, Weights, copies, copy, summed
from effopd.extrapolation.search import Decision, Score, search
from effopd.params.effopd import EffOPDParams


class EffOPD:
    """The search at one trigger after another.

    anchor: the weights from which the next direction is measured, updated in place; a resumed run must restore it.
    """

    def __init__(self, params: EffOPDParams, initial: Weights) -> None:
        self._params = params
        self.anchor = copies(initial)

    @torch.no_grad()
    def extrapolate(
        self,
        weights: Weights,
        score: Callable[[], Score],
        everywhere: Callable[[bool], bool] = bool,
        products: Weights | None = None,
        seed: int = 0,
    ) -> Decision:
        """Try the candidates and leave `weights` at the best accepted one, or bit for bit as they were.

        weights: the live float32 parameters after an optimiser step, changed in place.
        score: of the model that owns `weights`, with the same random numbers at every call of one trigger.
        products: what LoRA's factors add to some of `weights`, the same throughout.
        everywhere: whether something holds on every rank, where each holds a shard; a score is of all of them.
        seed: of a random direction.
        """
        line = Line(
            weights, products, self.anchor, self._params.scope, seed if self._params.direction == "random" else None
        )

        def scored() -> Score | None:
            if not everywhere(all(bool(tensor.isfinite().all()) for tensor in weights.values())):
                return None
            found = score()
            return found if math.isfinite(found.value) else None

        blindly = self._params.without_signal == "leap"
        found = search(line, self._params.multipliers, scored, self._accepts, self._params.least_effective, blindly)
        copy(line.trained if self._params.anchor == "trained" else summed(weights, products), into=self.anchor)
        return found

    def _accepts(self, score: float, best: float) -> bool:
        return score >= best if self._params.accept == ">=" else score > best
