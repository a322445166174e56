"""What the distilling stages share: teachers, found, started and checked as params.yaml says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from effopd.files import hash_path
from effopd.models.source import fetch
from effopd.params.section import ParamsError
from effopd.params.teacher import RL, TeacherParams, TeacherSource
from effopd.tasks.problems import Problem
from effopd.teachers.routed import RoutedTeacher
from effopd.teachers.start import Student, start_local, start_served
from effopd.train.engine import Engine
from effopd.train.judgement import Teacher
from stages.harness import MODELS, PARAMS, Stage


def build_teacher(
    stage: Stage,
    params: TeacherParams,
    problems: Sequence[Problem],
    engine: Engine,
    precision: str,
    tokenizer: PreTrainedTokenizerBase,
) -> Teacher:
    """The teachers that the problems ask for, checked against the student; their folders become inputs of the stage."""
    student = Student(engine.module.config, tokenizer, engine.device, precision)

    def start(key: str, source: TeacherSource) -> Teacher:
        if source.engine == "served":
            name = f"{MODELS / 'teacher'}" if source.source == RL else source.source
            return start_served(source, name, params, student)
        return start_local(_locate(stage, key, source), source.engine, params, student)

    asked = sorted({problem.teacher for problem in problems})
    for name in asked:
        if name and name not in params.named:
            raise ParamsError(f"{PARAMS}: teacher.named: prompts to train on ask for {name!r}, which it does not hold")
    teachers = {name: start(f"teacher.named.{name}", params.named[name]) for name in asked if name}
    if "" in asked:
        teachers[""] = start("teacher", params)
    return RoutedTeacher(teachers) if len(teachers) > 1 else next(iter(teachers.values()))


def _locate(stage: Stage, key: str, source: TeacherSource) -> Path:
    """The folder of a teacher. Its content is pinned by params.yaml, so that DVC sees it change."""
    if source.source == RL:
        return stage.input(MODELS / "teacher")
    if not Path(source.source).is_dir():
        return fetch(source.source, source.revision, key)
    folder = stage.input(source.source)
    if source.revision != (found := hash_path(folder)[:40]):
        raise ParamsError(f"{PARAMS}: {key}.revision: {folder} holds {found}; write this, so that DVC sees it change")
    return folder
