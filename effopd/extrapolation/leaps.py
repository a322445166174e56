"""EffOPD as a hook of the distillation loop: when to leap, and how a candidate is scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from effopd.extrapolation.effopd import EffOPD
from effopd.params.effopd import EffOPDParams
from effopd.rollout.sampler import Sampler
from effopd.seeding import derive_seed, uniforms
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import score_all
from effopd.train.engine import Engine
from effopd.train.session import Session
from effopd.trajectory.schedule import is_trigger


def leap_at_triggers(
    search: EffOPD,
    params: EffOPDParams,
    engine: Engine,
    sampler: Sampler,
    problems: Sequence[Problem],
    session: Session,
    *,
    seed: int,
) -> Callable[[int], None]:
    """A function to call after each optimiser step, which extrapolates at steps 1, 2, 4, 8, … and logs the trigger.

    A candidate's score is the mean accuracy of `params.samples` completions at temperature 1 of each of the validation
    problems D_v, drawn with random numbers that are the same for all candidates of one trigger.
    """
    items = [problem for problem in problems for _ in range(params.samples)]
    rows = engine.share(len(items), uneven=True)
    mine = [items[row] for row in rows]

    def after_step(step: int) -> None:
        if not is_trigger(step):
            return
        began = time.perf_counter()
        numbers_BT = uniforms(derive_seed(seed, "validation", step), rows, sampler.max_new_tokens)
        tokens: list[int] = []

        def validate() -> float:
            engine.weights_changed()
            sampler.refresh(step)
            rollout = sampler.sample([item.prompt for item in mine], numbers_BT)
            correct = sum(score_all(mine, rollout.texts))
            correct, sampled = engine.sum(correct, rollout.mask_BT.sum().item())
            tokens.append(int(sampled))
            return correct / len(items)

        trigger = search.extrapolate(step, engine.parameters, validate, engine.everywhere, engine.products())
        engine.weights_changed()
        if trigger.accepted and params.optimizer == "reset":
            engine.reset_optimizer()
        row = asdict(trigger) | {"sampled_tokens": sum(tokens)}
        session.log_trigger(row, seconds=time.perf_counter() - began)
        session.count(sampled_tokens=sum(tokens))

    return after_step
