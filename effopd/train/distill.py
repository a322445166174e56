"""On-policy distillation (arXiv 2605.11739, section 2); EffOPD is the same loop with leaps after some steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from transformers import PreTrainedModel

from effopd.losses.tokens import masked_sum
from effopd.params.opd import OPDParams
from effopd.rollout.sampler import Sampler
from effopd.tasks.problems import Problem
from effopd.train.batch import Sums, batches
from effopd.train.engine import Engine
from effopd.train.judgement import Teacher
from effopd.train.objective import chosen_loss, judged, token_scores
from effopd.train.session import Session

Hook = Callable[[int], None]
"""Called with the step's number after each optimiser step; may change the weights."""


def distill(
    engine: Engine,
    sampler: Sampler,
    teacher: Teacher,
    problems: Sequence[Problem],
    params: OPDParams,
    session: Session,
    *,
    seed: int,
    micro_batch: int,
    loss_chunk: int = 0,
    mismatch_budget: float = math.inf,
    reference: PreTrainedModel | None = None,
    after_step: Hook | None = None,
) -> None:
    """Train the engine's model in place: the sampler samples it, and the teacher scores every token of its samples.

    loss_chunk: tokens whose logits exist at once; 0: those of a micro-batch. mismatch_budget: the largest mean
    difference of log-probabilities between sampler and trainer that a step may show, in nats. reference: the student
    before training, which the loss `exopd` needs; no leap moves it.
    after_step: EffOPD's `leap_at_triggers`, or any other change of the weights between steps.
    """
    loss = chosen_loss(params)
    for step, batch in batches(session, engine, sampler, problems, params.prompts_per_step, seed=seed):
        sums = Sums()
        for piece in judged(teacher, reference, batch, micro_batch, loss_chunk):
            scores = token_scores(engine, piece, loss, loss_chunk)
            chunk_loss = masked_sum(scores.loss_BT, piece.rollout.mask_BT) / batch.tokens  # the mean over the step's
            engine.backward(chunk_loss)
            sums.add(piece.rollout, chunk_loss, scores.student_BT, scores.reverse_kl_BT, scores.entropy_BT)
        mismatch = sums.mismatch.check(engine, batch.tokens, mismatch_budget, step)
        grad_norm = engine.step(step)
        if after_step is not None:
            after_step(step)
        session.log(**sums.row(engine, batch), **mismatch, grad_norm=grad_norm)
