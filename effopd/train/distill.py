"""On-policy distillation (arXiv 2605.11739, section 2); EffOPD is the same loop with a search after some updates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from torch import Tensor
from transformers import PreTrainedModel

from effopd.params.opd import OPDParams
from effopd.train.objective import Judged, Teacher, accumulate, chosen_loss, judged
from effopd.train.rates import scheduled
from effopd.train.session import Session
from effopd.train.training import Training


class Search(Protocol):
    """What may change the weights between updates, and the learning rate, such as EffOPD.

    state: live tensors that a killed run needs back.
    """

    state: Mapping[str, Tensor]

    @property
    def looks_back(self) -> bool:
        """Whether `after_update` looks at the step's completions, which are kept for it then."""

    @property
    def scale(self) -> float:
        """By what the learning rate is multiplied at present."""

    def after_update(self, session: Session, step: int, pieces: Sequence[Judged]) -> None: ...


def distill(
    training: Training,
    teacher: Teacher,
    params: OPDParams,
    learning_rate: float,
    *,
    reference: PreTrainedModel | None = None,
    search: Search | None = None,
) -> None:
    """Train the engine's model in place: the sampler samples it, and the teacher scores every token of its samples.

    Several updates on one batch end early where its completions have become too unlike the student's own.
    learning_rate: its peak, which `search` may scale. reference: the student before training, which the loss `exopd`
    needs; no leap moves it.
    """
    engine, session, loss = training.engine, training.session, chosen_loss(params)
    for step, batch in training.batches(params.prompts_per_step, rewarded=False):
        rate = scheduled(learning_rate, params.decay, step, params.warmup_steps, session.last_step)
        pieces: Iterable[Judged] = judged(training, teacher, reference, batch)
        kept = list(pieces) if params.updates_per_batch > 1 or (search and search.looks_back) else []
        for update in range(params.updates_per_batch):
            sums = accumulate(training, kept or pieces, loss, batch, params.log_ratio_cap)
            if update == 0:
                row = sums.row(engine, batch) | training.check(sums, batch, step)
                row["capped"] = engine.sum(sums.capped)[0] / batch.tokens
            elif sums.mismatch.effective(engine, batch.tokens) < params.least_effective:
                engine.forget_gradients()
                break
            row["learning_rate"] = engine.set_learning_rate(rate * search.scale if search else rate)
            row["grad_norm"], row["updates"] = engine.step(step), update + 1
            if search:
                search.after_update(session, step, kept)
        session.log(**row)
