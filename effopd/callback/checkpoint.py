"""The search's own state beside a trainer's checkpoints, as safetensors and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from effopd.callback.student import CallbackError, Student
from effopd.files import DataError, atomic_path, read_json, sha256, write_json
from effopd.models.weights import load_weights, save_weights

FOLDER = "effopd"


def save(checkpoint: Path, student: Student, tensors: Mapping[str, Tensor], triggers: list[dict[str, Any]]) -> None:
    """Put the state into CHECKPOINT/effopd; a kill at any moment leaves a whole one or none."""
    if student.rank and not student.is_sharded:
        return  # all ranks have the same
    weights, about = _files(checkpoint, student)
    with atomic_path(weights) as temporary:
        save_weights(temporary, tensors)
    write_json(about, {"ranks": student.ranks, "weights": _fingerprint(student), "triggers": triggers})


def restore(
    checkpoint: Path, student: Student, tensors: Mapping[str, Tensor]
) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
    """Read it back into live tensors; the triggers so far, and the tensors that were saved beside those.

    Raises `CallbackError` where there is none, and where it was saved with other weights or by other processes.
    """
    weights, about = _files(checkpoint, student)
    if not about.is_file():
        raise CallbackError(
            f"{checkpoint} holds no state of EffOPD: resume from an earlier checkpoint of the run (when killed it may "
            "not have finished the last one), or say where it is: EffOPDCallback(resume_from=CHECKPOINT)"
        )
    try:
        said, saved = read_json(about), load_weights(weights)
        ranks, fingerprint, triggers = said["ranks"], said["weights"], said["triggers"]
    except (DataError, KeyError, TypeError) as error:
        raise CallbackError(f"{about.parent}: damaged ({error}): resume from another checkpoint") from None
    if student.is_sharded and ranks != student.ranks:
        raise CallbackError(f"{about.parent} was saved by {ranks} processes, and there are {student.ranks} now")
    if fingerprint != _fingerprint(student) or not tensors.keys() <= saved.keys():
        raise CallbackError(
            f"{about.parent} was saved with other weights than the trainer has resumed with: say which checkpoint it "
            "resumes from: EffOPDCallback(resume_from=CHECKPOINT)"
        )
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(saved[name])
    return list(triggers), {name: tensor for name, tensor in saved.items() if name not in tensors}


def _files(checkpoint: Path, student: Student) -> tuple[Path, Path]:
    rank = student.rank if student.is_sharded else 0
    folder = checkpoint / FOLDER
    return folder / f"rank-{rank}.safetensors", folder / f"rank-{rank}.json"


def _fingerprint(student: Student) -> str:
    """Of this rank's weights: sums of their bits as integers, which no order of adding changes."""
    sums = {name: int(weight.view(torch.int32).sum(dtype=torch.int64)) for name, weight in student.parameters.items()}
    return sha256(*(f"{name} {total}" for name, total in sorted(sums.items())))
