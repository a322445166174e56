"""The callback under the other trainers: transformers' own, GRPO and GKD."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import tiny
import torch
from datasets import Dataset
from toy import PROMPTS, Script
from transformers import Trainer, TrainingArguments
from trl import GRPOConfig, GRPOTrainer

from effopd.callback import EffOPDCallback, TeacherKL

COMMON: dict[str, Any] = {
    "max_steps": 2,
    "per_device_train_batch_size": 8,
    "learning_rate": 1e-4,
    "gradient_checkpointing": False,
    "bf16": False,
    "use_cpu": True,
    "save_strategy": "no",
    "report_to": "none",
}


def rows(callback: EffOPDCallback) -> list[tuple[int, int]]:
    return [(row["step"], row["accepted"]) for row in callback.triggers]


def test_under_transformers_own_trainer_with_a_score_of_ones_own(tmp_path: Path) -> None:
    ids = [tiny.tokenizer()(prompt + "#3")["input_ids"] for prompt in PROMPTS]
    data = Dataset.from_dict({"input_ids": ids, "labels": ids})
    callback = EffOPDCallback(Script([0.0, 1.0, 0.0, 2.0, 1.0]))
    args = TrainingArguments(str(tmp_path), **COMMON | {"per_device_train_batch_size": 1})
    Trainer(tiny.guesser(), args, train_dataset=data, callbacks=[callback]).train()
    assert rows(callback) == [(1, 1), (2, 0)]


def test_under_grpo_with_a_score_of_ones_own(tmp_path: Path) -> None:
    callback = EffOPDCallback(Script([0.0, 1.0, 0.0, 2.0, 1.0]))
    GRPOTrainer(
        tiny.guesser(),
        reward_funcs=lambda completions, **_: [float("3" in completion) for completion in completions],
        args=GRPOConfig(str(tmp_path), num_generations=4, max_completion_length=tiny.LENGTH, **COMMON),
        train_dataset=Dataset.from_dict({"prompt": PROMPTS}),
        processing_class=tiny.tokenizer(),
        callbacks=[callback],
    ).train()
    assert rows(callback) == [(1, 1), (2, 0)]


def test_under_gkd_with_its_teacher(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TRL's, that it is experimental
        from trl.experimental.gkd import GKDConfig, GKDTrainer
    tokenizer, teacher = tiny.tokenizer(), tiny.guesser(9, 1)
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    chats = [[{"role": "user", "content": prompt}, {"role": "assistant", "content": "#3"}] for prompt in PROMPTS]
    callback = EffOPDCallback(TeacherKL(teacher, PROMPTS))
    GKDTrainer(
        tiny.guesser(),
        teacher_model=teacher,
        args=GKDConfig(str(tmp_path), max_new_tokens=tiny.LENGTH, max_length=32, **COMMON),
        train_dataset=Dataset.from_dict({"messages": chats}),
        processing_class=tokenizer,
        callbacks=[callback],
    ).train()
    assert [step for step, _ in rows(callback)] == [1, 2]
    assert torch.tensor([row["score"] for row in callback.triggers]).lt(0).all()
