"""EffOPD as a hook of the distillation loop: when to leap, and how a candidate is scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.extrapolation.effopd import EffOPD
from effopd.params.effopd import EffOPDParams
from effopd.rollout.sampler import sample
from effopd.seeding import derive_seed, uniforms
from effopd.tasks.problems import Problem
from effopd.tasks.verifiers import score
from effopd.train.engine import TorchEngine
from effopd.train.session import Session
from effopd.trajectory.schedule import is_trigger


def leap_at_triggers(
    search: EffOPD,
    params: EffOPDParams,
    student: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    engine: TorchEngine,
    session: Session,
    *,
    seed: int,
    max_new_tokens: int,
) -> Callable[[int], int]:
    """A function to call after each optimiser step, which extrapolates at steps 1, 2, 4, 8, … and logs the trigger.

    A candidate's score is the mean accuracy of `params.samples` completions at temperature 1 of each of the validation
    problems D_v, drawn with random numbers that are the same for all candidates of one trigger.
    """
    items = [problem for problem in problems for _ in range(params.samples)]
    prompts = [problem.prompt for problem in items]

    def after_step(step: int) -> int:
        if not is_trigger(step):
            return 0
        began = time.perf_counter()
        numbers_BT = uniforms(derive_seed(seed, "validation", step), range(len(items)), max_new_tokens)
        tokens: list[int] = []

        def validate() -> float:
            rollout = sample(student, tokenizer, prompts, max_new_tokens, numbers_BT)
            tokens.append(int(rollout.mask_BT.sum()))
            return sum(score(item, text) for item, text in zip(items, rollout.texts, strict=True)) / len(items)

        trigger = search.extrapolate(step, engine.parameters, validate)
        if trigger.accepted and params.optimizer == "reset":
            engine.reset_optimizer()
        row = asdict(trigger) | {"sampled_tokens": sum(tokens)}
        session.log_trigger(row, seconds=time.perf_counter() - began)
        return sum(tokens)

    return after_step
