"""EffOPD over a run, whoever trains: after which updates it searches, and what becomes of the learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from effopd.extrapolation.effopd import EffOPD
from effopd.extrapolation.line import Weights, summed
from effopd.extrapolation.rate import next_scale
from effopd.extrapolation.search import Decision, Score
from effopd.params.effopd import EffOPDParams
from effopd.seeding import derive_seed
from effopd.trajectory.schedule import is_trigger


@dataclass(frozen=True)
class Trigger:
    """One search. update: behind which it was. n: how many came before. multiplier: the one kept, None for none."""

    update: int
    n: int
    decision: Decision
    multiplier: float | None
    learning_rate: float

    def row(self) -> dict[str, Any]:
        """What a log says of it."""
        found = self.decision
        candidates = [{"k": c.k, "multiplier": c.multiplier, **_score_row(c.score)} for c in found.candidates]
        about = {"update": self.update, "n": self.n, "learning_rate": self.learning_rate}
        return about | _score_row(found.score) | {"candidates": candidates, "accepted": found.accepted}


def _score_row(score: Score | None) -> dict[str, Any]:
    row: dict[str, Any] = {"score": score and score.value}
    if score and score.effective is not None:
        row["effective"] = score.effective
    if score and score.by_problem:
        row["by_problem"] = list(score.by_problem)
    return row


class Searches:
    """The searches of one run.

    weights: the live float32 parameters where it begins. learning_rate: its peak, which leaps scale if they do.
    seed: of random directions. state: what a killed run needs back, as live tensors.
    """

    def __init__(self, params: EffOPDParams, weights: Weights, *, learning_rate: float, seed: int) -> None:
        self._params, self._learning_rate, self._seed = params, learning_rate, seed
        self._effopd = EffOPD(params, weights)
        self._scale = torch.ones((), dtype=torch.float64)
        self._updates, self._done = (torch.zeros((), dtype=torch.int64) for _ in range(2))
        counts = {"scale": self._scale, "updates": self._updates, "searches": self._done}
        self.state: Mapping[str, Tensor] = counts | {f"anchor/{n}": w for n, w in self._effopd.anchor.items()}

    @property
    def scale(self) -> float:
        """By what the learning rate is multiplied at present."""
        return self._scale.item()

    def due(self) -> bool:
        """Count an update, and say whether to search after it."""
        self._updates += 1
        update, triggers = int(self._updates), self._params.triggers
        return is_trigger(update) if triggers == "exponential" else update % triggers == 0

    def search(
        self,
        weights: Weights,
        score: Callable[[], Score],
        everywhere: Callable[[bool], bool] = bool,
        products: Weights | None = None,
    ) -> Trigger | None:
        """As `EffOPD.extrapolate`; None where no weight has moved since the last search, so that there is no direction.

        That is so at a learning rate of zero, where a warm-up begins, and where an optimiser has skipped its steps.
        """
        present = summed(weights, products)
        if everywhere(all(tensor.equal(present[name]) for name, tensor in self._effopd.anchor.items())):
            return None
        update = int(self._updates)
        seed = derive_seed(self._seed, "direction", update)
        found = self._effopd.extrapolate(weights, score, everywhere, products, seed)
        kept = self._params.multipliers[found.accepted - 1] if found.accepted else None
        self._scale.fill_(next_scale(self.scale, kept, self._params, self._learning_rate))
        trigger = Trigger(update, int(self._done), found, kept, self._learning_rate * self.scale)
        self._done += 1
        return trigger
