"""Other ways to need fewer steps, for the leaderboard: what they do between updates, and by which weights they go."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from effopd.extrapolation.line import Weights, copies, copy
from effopd.train.objective import Judged
from effopd.train.session import Session


class Averaging:
    """Train at a high rate, and use the mean of the weights after the last few updates (WSM, arXiv 2507.17634)."""

    looks_back, scale = False, 1.0
    state: Mapping[str, Tensor] = {}  # a race is not resumed

    def __init__(self, weights: Weights, window: int) -> None:
        self._weights, self._last = weights, deque[dict[str, Tensor]](maxlen=window)

    def after_update(self, session: Session, step: int, pieces: Sequence[Judged]) -> None:
        self._last.append(copies(self._weights))

    @contextmanager
    @torch.no_grad()
    def tested(self) -> Iterator[None]:
        """The mean is in the place of the weights while the block tests it."""
        trained = copies(self._weights)
        if self._last:
            copy({name: torch.stack([one[name] for one in self._last]).mean(0) for name in trained}, self._weights)
        yield
        copy(trained, self._weights)


class Nesterov:
    """Every few updates, Nesterov's momentum on the way they made, as on a gradient (SNOO, arXiv 2510.15830)."""

    looks_back, scale = False, 1.0
    state: Mapping[str, Tensor] = {}

    def __init__(self, weights: Weights, every: int, rate: float = 0.8, momentum: float = 0.5) -> None:
        self._weights, self._every, self._rate, self._momentum = weights, every, rate, momentum
        self._anchor, self._updates = copies(weights), 0
        self._velocity = {name: torch.zeros_like(weight) for name, weight in weights.items()}

    @torch.no_grad()
    def after_update(self, session: Session, step: int, pieces: Sequence[Judged]) -> None:
        self._updates += 1
        if self._updates % self._every:
            return
        for name, weight in self._weights.items():
            way = self._anchor[name] - weight
            self._velocity[name].mul_(self._momentum).add_(way)
            weight.copy_(self._anchor[name] - self._rate * (way + self._momentum * self._velocity[name]))
        self._anchor = copies(self._weights)
