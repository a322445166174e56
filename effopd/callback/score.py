"""What candidates are scored on under somebody else's trainer: a function of one's own, or the teacher's divergence."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments

from effopd.callback.student import CallbackError, Student
from effopd.extrapolation.scores import teacher_kl
from effopd.extrapolation.search import Score
from effopd.rollout.sampler import sample
from effopd.seeding import derive_seed, shuffled_batch, uniforms
from effopd.teachers.local import LocalTeacher
from effopd.train.forward import chunks
from effopd.train.objective import Judged

Prompt = str | Sequence[Mapping[str, Any]]
"""A text, or the messages of a conversation."""


@dataclass(frozen=True)
class Occasion:
    """One search. n: how many came before. seed: of the run."""

    student: Student
    tokenizer: PreTrainedTokenizerBase
    args: TrainingArguments
    n: int
    seed: int


class Measure(Protocol):
    def on(self, occasion: Occasion) -> Callable[[], Score]:
        """What scores the student's present weights, on the same things at every call of one search."""


class TeacherKL:
    """Minus the mean over tokens of KL(π_student ‖ π_teacher), on completions that the student samples.

    At each search the student, as it is then, completes some of the prompts at temperature 1 and the teacher reads them
    once; each candidate costs one forward pass over them. Prompts of training will do: all that is learned from the
    score is how far to go.
    teacher: of the student's vocabulary, such as the one that the trainer itself distils from.
    prompts: texts, or conversations (lists of messages), which the tokenizer's chat template puts into words.
    completions: how many there are at a search, over all processes; a quarter of a step's will do.
    max_new_tokens: the longest; by default the trainer's own `max_completion_length` or `max_new_tokens`.
    micro_batch: how many go through a model at once. loss_chunk: tokens whose logits exist at once; 0: a micro-batch's.
    """

    def __init__(
        self,
        teacher: PreTrainedModel,
        prompts: Sequence[Prompt],
        *,
        completions: int = 16,
        max_new_tokens: int | None = None,
        micro_batch: int = 16,
        loss_chunk: int = 0,
    ) -> None:
        if not prompts or min(completions, micro_batch) < 1 or loss_chunk < 0:
            raise CallbackError("TeacherKL needs a prompt, a completion and a micro_batch of 1 or more")
        self._teacher, self._prompts = teacher, prompts
        self._completions, self._max_new_tokens = completions, max_new_tokens
        self._micro_batch, self._loss_chunk = micro_batch, loss_chunk

    def on(self, occasion: Occasion) -> Callable[[], Score]:
        student, tokenizer = occasion.student, occasion.tokenizer
        self._check(student, tokenizer)
        rows = student.share(self._completions)
        drawn = shuffled_batch(occasion.seed, "prompts", occasion.n + 1, self._completions, len(self._prompts))
        texts = [_text(self._prompts[drawn[row]], tokenizer, occasion.args) for row in rows]
        width = self._width(occasion.args)
        numbers_BT = uniforms(derive_seed(occasion.seed, "completions", occasion.n), rows, width)
        rollout = sample(student.module, tokenizer, texts, width, numbers_BT)
        teacher = LocalTeacher(self._teacher)
        with _at_rest(self._teacher):
            pieces = [
                Judged(piece, teacher.judge(piece, [""] * len(piece.texts), self._loss_chunk), piece.logprobs_BT)
                for _, piece in chunks(rollout, self._micro_batch)
            ]
        return lambda: teacher_kl(student, pieces, self._loss_chunk)[0]

    def _check(self, student: Student, tokenizer: PreTrainedTokenizerBase | None) -> None:
        if tokenizer is None:
            raise CallbackError("TeacherKL needs the trainer's tokenizer: give it as processing_class")
        ours, theirs = student.module.config.get_text_config(), self._teacher.config.get_text_config()
        if ours.vocab_size != theirs.vocab_size:
            raise CallbackError(
                f"the teacher's vocabulary has {theirs.vocab_size} entries and the student's {ours.vocab_size}: a "
                "divergence needs the same ones"
            )
        if self._completions % student.ranks:
            raise CallbackError(
                f"{self._completions} completions cannot be shared equally by {student.ranks} processes: set "
                f"TeacherKL(completions={-(-self._completions // student.ranks) * student.ranks})"
            )

    def _width(self, args: TrainingArguments) -> int:
        names = ("max_completion_length", "max_new_tokens")
        found = self._max_new_tokens or next((width for name in names if (width := getattr(args, name, None))), None)
        if found is None:
            raise CallbackError("this trainer does not say how long completions are: set TeacherKL(max_new_tokens=…)")
        return int(found)


@dataclass(frozen=True)
class OwnScore:
    """A user's function of the model, the higher the better. With several processes their mean counts."""

    function: Callable[[PreTrainedModel], float]

    def on(self, occasion: Occasion) -> Callable[[], Score]:
        student, seed = occasion.student, derive_seed(occasion.seed, "score", occasion.n)

        def measure() -> Score:
            with same_numbers(seed):
                value = float(self.function(student.module))
            (total,) = student.sum(value)
            return Score(total / student.ranks)

        return measure


@contextmanager
def same_numbers(seed: int) -> Iterator[None]:
    """Random numbers that depend on the seed alone, and leave those of the trainer as they were."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices):
            random.seed(seed)
            np.random.seed(seed % 2**32)
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _text(prompt: Prompt, tokenizer: PreTrainedTokenizerBase, args: TrainingArguments) -> str:
    if isinstance(prompt, str):
        return prompt
    settings = getattr(args, "chat_template_kwargs", None) or {}
    text = tokenizer.apply_chat_template(list(prompt), tokenize=False, add_generation_prompt=True, **settings)
    begins = tokenizer.bos_token if tokenizer.bos_token_id in tokenizer("")["input_ids"] else None
    return text.removeprefix(begins or "")  # which the tokenizer writes before every text


@contextmanager
def _at_rest(teacher: PreTrainedModel) -> Iterator[None]:
    training = teacher.training
    teacher.eval()
    try:
        yield
    finally:
        teacher.train(training)
