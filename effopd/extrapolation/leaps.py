"""EffOPD in a distilling loop: on what it scores, what that costs, and what is logged."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from torch import Tensor

from effopd.extrapolation.scores import sampled_accuracy, teacher_kl
from effopd.extrapolation.search import Score
from effopd.extrapolation.searches import Searches
from effopd.params.effopd import EffOPDParams
from effopd.rollout.sampler import Sampler
from effopd.seeding import derive_seed, uniforms
from effopd.tasks.problems import Problem
from effopd.train.costs import Costs
from effopd.train.engine import Engine
from effopd.train.objective import Judged
from effopd.train.session import Session

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
        self._seed, self._loss_chunk, self._log_ratio_cap = seed, loss_chunk, log_ratio_cap
        self._searches = Searches(params, engine.parameters, learning_rate=learning_rate, seed=seed)
        self.state: Mapping[str, Tensor] = self._searches.state

    @property
    def looks_back(self) -> bool:
        """Whether it scores on the completions of the step and what the teacher said of them."""
        return self._params.score == "teacher_kl"

    @property
    def scale(self) -> float:
        """By what the learning rate is multiplied at present."""
        return self._searches.scale

    def after_update(self, session: Session, step: int, pieces: Sequence[Judged]) -> None:
        """Search, if it is time to; pieces: the completions of this step, where it `looks_back`."""
        if self._searches.due():
            with session.timed("search"):
                self._extrapolate(session, step, pieces)

    def _extrapolate(self, session: Session, step: int, pieces: Sequence[Judged]) -> None:
        engine, spent = self._engine, Costs()
        measure = self._by_teacher(pieces) if self.looks_back else self._by_accuracy(step)

        def score() -> Score:
            nonlocal spent
            engine.weights_changed()
            found, costs = measure()
            spent += costs
            return found

        trigger = self._searches.search(engine.parameters, score, engine.everywhere, engine.products())
        if trigger is None:
            return
        engine.weights_changed()
        if trigger.multiplier is not None and self._params.optimizer == "reset":
            engine.reset_optimizer()
        found = trigger.decision
        if found.without_signal and found.score and engine.rank == 0:
            made = "a leap is made all the same" if found.accepted else "no leap is made"
            said = "step %d: all scores are %g, which says nothing of the candidates: %s"
            _log.warning(said, step, found.score.value, made)
        session.spend(**asdict(spent))
        session.log_trigger({"step": step} | trigger.row() | asdict(spent))

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
