"""What every distilling stage is: the base on its way to the teacher, with a search along its updates or without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from effopd.files import hash_path
from effopd.models.source import fetch
from effopd.params.opd import OPDParams
from effopd.params.section import ParamsError
from effopd.params.teacher import RL, TeacherParams, TeacherSource
from effopd.seeding import derive_seed
from effopd.tasks.problems import Problem, read_problems
from effopd.teachers.local import LocalTeacher
from effopd.teachers.routed import RoutedTeacher
from effopd.teachers.start import Student, start_local, start_served
from effopd.train.distill import Search, distill
from effopd.train.forward import check_own_logits
from effopd.train.judgement import Teacher
from stages.harness import MODELS, PARAMS, Stage, Unread
from stages.training import Trainee, TrainingParams, make_trainee, publish


@dataclass(frozen=True)
class DistillingParams(TrainingParams):
    """The sections that every distilling stage reads."""

    teacher: Annotated[TeacherParams, Unread("gpu_memory")]
    opd: OPDParams


STEPS = ("opd.steps", "opd.sweep_steps", "effopd.steps", "effopd_free.steps")
"""How long a run is, on which its resumable state does not depend: a longer run goes on from a shorter one."""


def distilling(
    stage: Stage,
    params: DistillingParams,
    opd: OPDParams,
    run: str,
    replicate: int,
    *,
    learning_rate: float,
    steps: int,
    search: Callable[[Trainee, int], Search] | None = None,
) -> None:
    """Train models/RUN. opd: those of `params`, or the run's own. search: makes it, from trainee and seed."""
    problems = read_problems(stage.input("data/train.parquet"))
    trainee = make_trainee(stage, params, learning_rate)
    teacher = build_teacher(stage, params, problems, trainee)
    seed = derive_seed(params.run.seed, "replicate", replicate)
    searching = search(trainee, seed) if search else None
    without = STEPS if opd.decay == "none" else ()
    session = trainee.session(run, steps, without, searching.state if searching else None)
    training = trainee.training(problems, session, seed)
    reference = trainee.at_start() if opd.loss == "exopd" else None
    distill(training, teacher, opd, learning_rate, reference=reference, search=searching)
    publish(stage, trainee.engine, session, run, {"loss": opd.loss, "learning_rate": learning_rate})


def build_teacher(stage: Stage, params: DistillingParams, problems: Sequence[Problem], trainee: Trainee) -> Teacher:
    """The teachers that the problems ask for, checked against the student; their folders become inputs of the stage."""
    engine, asked_for = trainee.engine, params.teacher
    student = Student(engine.module.config, trainee.tokenizer, engine.device, params.engine.precision)

    def start(key: str, source: TeacherSource) -> Teacher:
        if source.engine == "served":
            name = f"{MODELS / 'teacher'}" if source.source == RL else source.source
            return start_served(source, name, asked_for, student)
        teacher = start_local(_locate(stage, key, source), source.engine, asked_for, student)
        if params.engine.loss_chunk and isinstance(teacher, LocalTeacher):
            check_own_logits(teacher.model)
        return teacher

    asked = sorted({problem.teacher for problem in problems})
    for name in asked:
        if name and name not in asked_for.named:
            raise ParamsError(f"{PARAMS}: teacher.named: prompts to train on ask for {name!r}, which it does not hold")
    teachers = {name: start(f"teacher.named.{name}", asked_for.named[name]) for name in asked if name}
    if "" in asked:
        teachers[""] = start("teacher", asked_for)
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
