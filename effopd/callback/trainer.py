"""EffOPD as a callback of transformers' Trainer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from effopd.callback.checkpoint import restore, save
from effopd.callback.log import Log, search_row
from effopd.callback.rate import ScaledRate
from effopd.callback.score import Measure, Occasion, OwnScore
from effopd.callback.student import CallbackError, Student
from effopd.extrapolation.search import Score
from effopd.extrapolation.searches import Searches
from effopd.params.effopd import EffOPDParams
from effopd.params.section import parse
from effopd.spectral.foresight import Foresight
from effopd.train.clock import Clock
from effopd.trajectory.schedule import is_trigger


class EffOPDCallback(TrainerCallback):
    """Leap along the last update while a score does not get worse, under transformers' Trainer or one made of it.

        from pathlib import Path

        from datasets import Dataset
        from transformers import AutoModelForCausalLM
        from trl import DistillationConfig, DistillationTrainer

        from effopd.callback import EffOPDCallback, TeacherKL

        prompts = Path("prompts.txt").read_text().splitlines()
        student = AutoModelForCausalLM.from_pretrained("student", dtype="float32")
        teacher = AutoModelForCausalLM.from_pretrained("teacher")
        trainer = DistillationTrainer(
            student,
            teacher_model=teacher,
            args=DistillationConfig("distilled", learning_rate=1e-5, max_steps=10, bf16=False),
            train_dataset=Dataset.from_dict({"prompt": prompts}),
            callbacks=[EffOPDCallback(TeacherKL(teacher, prompts))],
        )
        trainer.train()
        trainer.save_model()

    score: a function of the model, the higher the better, or `TeacherKL`. The other arguments are the keys of section
    `effopd`, with the published search as defaults; `rate_free` has the search that finds its own learning rate.
    seed: of everything random in a search; the trainer's random numbers are left as they are.
    resume_from: the checkpoint that the trainer resumes from, where that is none of its own output_dir.
    foresight: behind optimiser steps 1, 2, 4, 8, … also measure how the update grows and where it points
    (`effopd.spectral.foresight`); takes the memory of a second copy of the weights on the CPU.
    triggers: what each search has done, a row each, once training has begun.
    """

    def __init__(
        self,
        score: Callable[[PreTrainedModel], float] | Measure,
        *,
        triggers: int | Literal["exponential"] = "exponential",
        multipliers: Sequence[float] = (2, 4, 8, 16, 32),
        anchor: Literal["accepted", "trained"] = "accepted",
        scope: Literal["all", "blocks"] = "all",
        least_effective: float = 0.1,
        accept: Literal[">=", ">"] = ">=",
        without_signal: Literal["stay", "leap"] = "stay",
        optimizer: Literal["keep", "reset"] = "keep",
        rate: Literal["keep", "follow"] = "keep",
        lower: float = 0.5,
        lowest_rate: float = 1e-8,
        highest_rate: float = 0.1,
        seed: int = 42,
        resume_from: str | Path | None = None,
        foresight: bool = False,
    ) -> None:
        self._measure: Measure = score if hasattr(score, "on") else OwnScore(score)
        self._params = parse(
            EffOPDParams,
            "",
            {
                "triggers": triggers,
                "direction": "update",
                "multipliers": list(multipliers),
                "anchor": anchor,
                "scope": scope,
                "least_effective": least_effective,
                "accept": accept,
                "without_signal": without_signal,
                "optimizer": optimizer,
                "rate": rate,
                "lower": lower,
                "lowest_rate": lowest_rate,
                "highest_rate": highest_rate,
            }
            | _SAID_BY_THE_TRAINER,
            Path("EffOPDCallback"),
        )
        self._seed, self._resume_from = seed, resume_from
        self._rate: ScaledRate | None = None
        self._looks_ahead = foresight
        self._foresight: Foresight | None = None
        self.triggers: list[dict[str, Any]] = []

    @classmethod
    def rate_free(
        cls,
        score: Callable[[PreTrainedModel], float] | Measure,
        *,
        seed: int = 42,
        resume_from: str | Path | None = None,
        foresight: bool = False,
    ) -> EffOPDCallback:
        """Search after every update, and let the learning rate follow the leaps: any rate will do to begin with.

        A leap of m that is kept makes the rate 1 + m times as large, a search that keeps none halves it. Whatever
        schedule the trainer has is scaled by the product.
        """
        multipliers = (1, 3, 7, 15, 31, 63, -0.5)
        return cls(
            score,
            triggers=1,
            multipliers=multipliers,
            rate="follow",
            seed=seed,
            resume_from=resume_from,
            foresight=foresight,
        )

    def on_init_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: PreTrainedModel,
        **_: Any,
    ) -> None:
        """A run that is resumed begins with the weights of a checkpoint; here they are still its first ones."""
        if self._looks_ahead and args.process_index == 0 and not any(hasattr(p, "ds_id") for p in model.parameters()):
            self._foresight = Foresight({n: _copy(w) for n, w in model.named_parameters()}, args.device)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: PreTrainedModel,
        optimizer: Any,
        **_: Any,
    ) -> None:
        self._forget()
        self._student = student = Student(model, optimizer, args)
        self._searches = Searches(
            self._params, student.parameters, learning_rate=_peak(student.optimizer.param_groups), seed=self._seed
        )
        self._rate = ScaledRate(student.optimizer, lambda: self._searches.scale)
        self._log, self.triggers = Log(args, state), []
        if self._looks_ahead and state.global_step == 0:
            start = {name: _copy(weight) for name, weight in student.each_weight() if student.rank == 0}
            self._foresight = Foresight(start, args.device) if start else None
        if state.global_step > 0:
            checkpoint = Path(self._resume_from or Path(args.output_dir, f"checkpoint-{state.global_step}"))
            self.triggers, beside = restore(checkpoint, student, self._searches.state)
            self._recall(checkpoint, beside)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        processing_class: PreTrainedTokenizerBase | None,
        **_: Any,
    ) -> None:
        if self._searches.due():
            self._search(args, state, processing_class)
        if self._looks_ahead and is_trigger(state.global_step):
            self._look_ahead(state.global_step)

    def _search(
        self, args: TrainingArguments, state: TrainerState, processing_class: PreTrainedTokenizerBase | None
    ) -> None:
        student, clock = self._student, Clock(self._student.device)
        measure: Callable[[], Score] | None = None

        def score() -> Score:
            nonlocal measure
            student.weights_changed()
            if measure is None:
                measure = self._measure.on(Occasion(student, processing_class, args, len(self.triggers), self._seed))
            return measure()

        with student.at_rest():
            trigger = self._searches.search(student.parameters, score, student.everywhere)
            student.weights_changed()
        if trigger is None:
            return
        if trigger.multiplier is not None and self._params.optimizer == "reset":
            student.reset_optimizer()
        self.triggers.append({"step": state.global_step} | trigger.row())
        rates = [float(group["lr"]) for group in student.optimizer.param_groups]
        scale = self._searches.scale
        self._log.add(search_row(trigger, max(rates) * scale, scale, clock.read()))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        logs: dict[str, Any],
        **_: Any,
    ) -> None:
        logs |= self._log.unshown()

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: Any,
    ) -> None:
        checkpoint = Path(args.output_dir, f"checkpoint-{state.global_step}")
        seen = self._foresight.state if self._foresight else {}
        beside = {f"{_FORESIGHT}{name}": tensor for name, tensor in seen.items()}
        save(checkpoint, self._student, {**self._searches.state, **beside}, self.triggers)

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: Any,
    ) -> None:
        self._log.close()
        self._forget()

    def _look_ahead(self, step: int) -> None:
        """Measure on the first rank; all of them gather weights that are shared out."""
        clock, weights = Clock(self._student.device), self._student.each_weight()
        if self._foresight is None:
            deque(weights, maxlen=0)
            return
        row = self._foresight.measure(step, weights) | clock.read()
        self._log.add({f"{_FORESIGHT}{name}": value for name, value in row.items()})

    def _recall(self, checkpoint: Path, beside: Mapping[str, Tensor]) -> None:
        """Put back what foresight has seen so far, on the first rank, which alone looks."""
        state = {n.removeprefix(_FORESIGHT): tensor for n, tensor in beside.items() if n.startswith(_FORESIGHT)}
        if not self._looks_ahead or not state or self._student.rank > 0:
            return
        if self._foresight is None or not self._foresight.load_state(state):
            raise CallbackError(
                f"foresight measures from where the run in {checkpoint} began, and these are other weights: make the "
                "trainer with the model that the run began with, and with the callback among its callbacks=[…]"
            )

    def _forget(self) -> None:
        if self._rate is not None:
            self._rate.remove()
            self._rate = None


_FORESIGHT = "foresight/"
_SAID_BY_THE_TRAINER = {"steps": 1, "score": "teacher_kl", "samples": 1, "score_share": 1.0}
"""Keys of section `effopd` that say nothing here: a trainer has its own steps, and what scores is an argument."""


def _copy(weight: Tensor) -> Tensor:
    return weight.detach().to("cpu", torch.float32, copy=True)


def _peak(groups: Sequence[dict[str, Any]]) -> float:
    """The largest learning rate as it is before a schedule."""
    return max(float(group.get("initial_lr", group["lr"])) for group in groups)
