"""EffOPD under other people's trainers: transformers' own and TRL's, with accelerate or DeepSpeed under them.

    trainer.py     the callback
    student.py     the weights that it moves, and what cannot be moved
    score.py       on what candidates are scored
    rate.py        the scheduled learning rate, scaled
    checkpoint.py  its state beside the trainer's checkpoints
    log.py         its rows in the trainer's log

Nothing here imports a trainer but transformers'.
"""

from effopd.callback.score import TeacherKL
from effopd.callback.student import CallbackError
from effopd.callback.trainer import EffOPDCallback

__all__ = ["CallbackError", "EffOPDCallback", "TeacherKL"]
