"""A step of on-policy distillation by ours and by TRL's DistillationTrainer, with the settings of section `opd`."""

from __future__ import annotations

from benchmarks.bench.party import Options, Turns
from benchmarks.bench.training import our_training, settings, student, teacher, trainer_data, trainer_settings
from effopd.teachers.local import LocalTeacher
from effopd.train.distill import distill


def ours(options: Options, turns: Turns) -> None:
    params, scoring = settings(options), teacher(options)
    with our_training(options, turns, params, params.opd.learning_rate, scoring) as training:
        distill(training, LocalTeacher(scoring), params.opd, params.opd.learning_rate)


def theirs(options: Options, turns: Turns) -> None:
    from trl import DistillationConfig, DistillationTrainer

    params = settings(options)
    trainer = DistillationTrainer(
        model=student(options),
        teacher_model=teacher(options),
        args=DistillationConfig(
            per_device_train_batch_size=params.opd.prompts_per_step,
            **trainer_settings(options, params, params.opd.learning_rate),
        ),
        **trainer_data(options, turns),
    )
    trainer.train()
