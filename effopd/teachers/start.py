"""Teachers made ready: loaded, and checked against the student that they are to judge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, PretrainedConfig, PreTrainedTokenizerBase

from effopd.models.source import adopt
from effopd.models.store import load_tokenizer
from effopd.params.teacher import TeacherParams, TeacherSource
from effopd.rollout.server import Server
from effopd.rollout.vllm import start_vllm
from effopd.teachers.local import LocalTeacher
from effopd.teachers.preflight import check_ends, check_tokenizers
from effopd.teachers.served import ServedTeacher
from effopd.teachers.vllm import VLLMTeacher
from effopd.train.judgement import Teacher


@dataclass(frozen=True)
class Student:
    """What a teacher must agree with: its configuration, its tokenizer, and where and how it is trained."""

    config: PretrainedConfig
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    precision: str

    @property
    def vocabulary(self) -> int:
        return int(self.config.vocab_size)


def start_local(folder: Path, engine: str, params: TeacherParams, student: Student) -> Teacher:
    """The teacher in `folder`, run in this process by transformers or vLLM. Raises `DataError` when it does not fit."""
    check_tokenizers(student.tokenizer, load_tokenizer(folder), str(folder))
    if engine == "vllm":
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        check_ends((student.config, student.tokenizer), (config, load_tokenizer(folder)), str(folder))
        llm = start_vllm(folder, student.precision, params.gpu_memory, "teacher.engine")
        return VLLMTeacher(llm, student.vocabulary, params.top_k)
    model, tokenizer = adopt(folder)  # which cuts embeddings without a token off
    check_ends((student.config, student.tokenizer), (model.config, tokenizer), str(folder))
    return LocalTeacher(model.to(student.device), params.top_k)


def start_served(source: TeacherSource, name: str, params: TeacherParams, student: Student) -> Teacher:
    """The teacher that a server serves under `name`. Raises `DataError` when it does not, or not with these tokens."""
    server = Server(source.url, name)
    server.check(student.tokenizer)
    return ServedTeacher(server, student.vocabulary, params.top_k)
