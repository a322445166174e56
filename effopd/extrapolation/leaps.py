"""EffOPD in a distilling loop: when to search, on what to score, and what becomes of the learning rate."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from effopd.extrapolation.effopd import EffOPD
from effopd.extrapolation.rate import next_scale
from effopd.extrapolation.scores import sampled_accuracy, teacher_kl
from effopd.extrapolation.search import Decision, Score
from effopd.params.effopd import EffOPDParams
from effopd.rollout.sampler import Sampler
from effopd.seeding import derive_seed, uniforms
from effopd.tasks.problems import Problem
from effopd.train.costs import Costs
from effopd.train.engine import Engine
from effopd.train.objective import Judged
from effopd.train.session import Session
from effopd.trajectory.schedule import is_trigger

_log = logging.getLogger(__name__)


class Leaps:
    """What `distill` calls after each update: it extrapolates when a search is due, and logs the trigger.

    problems: the validation set D_v, where accuracy is the score. learning_rate: the one that is followed.
    state: what a killed run needs back, as live tensors.
    """

    def __init__(
        self,
        params: EffOPDParams,
        engine: Engine,
        sampler: Sampler,
        problems: Sequence[Problem],
        *,
        seed: int,
        learning_rate: float,
        loss_chunk: int = 0,
        log_ratio_cap: float = math.inf,
    ) -> None:
        self._params, self._engine, self._sampler, self._problems = params, engine, sampler, problems
        self._seed, self._learning_rate, self._loss_chunk = seed, learning_rate, loss_chunk
        self._log_ratio_cap = log_ratio_cap
        self._search = EffOPD(params, engine.parameters)
        self._scale = torch.ones((), dtype=torch.float64)
        self._updates, self._searches = (torch.zeros((), dtype=torch.int64) for _ in range(2))
        counts = {"scale": self._scale, "updates": self._updates, "searches": self._searches}
        self.state: Mapping[str, Tensor] = counts | {f"anchor/{n}": w for n, w in self._search.anchor.items()}

    @property
    def looks_back(self) -> bool:
        """Whether it scores on the completions of the step and what the teacher said of them."""
        return self._params.score == "teacher_kl"

    @property
    def scale(self) -> float:
        """By what the learning rate is multiplied at present."""
        return self._scale.item()

    def after_update(self, session: Session, step: int, pieces: Sequence[Judged]) -> None:
        """Search, if it is time to; pieces: the completions of this step, where it `looks_back`."""
        self._updates += 1
        update = int(self._updates)
        if not (is_trigger(update) if self._params.triggers == "exponential" else update % self._params.triggers == 0):
            return
        with session.timed("search"):
            self._extrapolate(session, step, update, pieces)

    def _extrapolate(self, session: Session, step: int, update: int, pieces: Sequence[Judged]) -> None:
        engine, spent = self._engine, Costs()
        measure = self._by_teacher(pieces) if self.looks_back else self._by_accuracy(step)

        def score() -> Score:
            nonlocal spent
            engine.weights_changed()
            found, costs = measure()
            spent += costs
            return found

        seed = derive_seed(self._seed, "direction", update)
        found = self._search.extrapolate(engine.parameters, score, engine.everywhere, engine.products(), seed)
        engine.weights_changed()
        if found.accepted and self._params.optimizer == "reset":
            engine.reset_optimizer()
        kept = self._params.multipliers[found.accepted - 1] if found.accepted else None
        self._scale.fill_(next_scale(self.scale, kept, self._params, self._learning_rate))
        if found.without_signal and found.score and engine.rank == 0:
            made = "a leap is made all the same" if found.accepted else "no leap is made"
            said = "step %d: all scores are %g, which says nothing of the candidates: %s"
            _log.warning(said, step, found.score.value, made)
        rate = self._learning_rate * self.scale
        session.spend(**asdict(spent))
        about = {"step": step, "update": update, "n": int(self._searches), "learning_rate": rate}
        session.log_trigger(about | trigger_row(found) | asdict(spent))
        self._searches += 1

    def _by_accuracy(self, step: int) -> Callable[[], tuple[Score, Costs]]:
        samples = self._params.samples
        rows = self._engine.share(len(self._problems) * samples, uneven=True)
        numbers_BT = uniforms(derive_seed(self._seed, "validation", step), rows, self._sampler.max_new_tokens)

        def measure() -> tuple[Score, Costs]:
            self._sampler.refresh(step)
            return sampled_accuracy(self._engine, self._sampler, self._problems, samples, numbers_BT)

        return measure

    def _by_teacher(self, pieces: Sequence[Judged]) -> Callable[[], tuple[Score, Costs]]:
        some = [piece.first(self._params.score_share) for piece in pieces]
        return lambda: teacher_kl(self._engine, some, self._loss_chunk, self._log_ratio_cap)


def trigger_row(found: Decision) -> dict[str, Any]:
    """What a trigger's log says of its search."""
    candidates = [{"k": c.k, "multiplier": c.multiplier, **_score_row(c.score)} for c in found.candidates]
    return {**_score_row(found.score), "candidates": candidates, "accepted": found.accepted}


def _score_row(score: Score | None) -> dict[str, Any]:
    row: dict[str, Any] = {"score": score and score.value}
    if score and score.effective is not None:
        row["effective"] = score.effective
    if score and score.by_problem:
        row["by_problem"] = list(score.by_problem)
    return row
