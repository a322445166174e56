"""Live curves in the tracker that a person watches, through its own client."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from effopd.errors import one_line
from effopd.params.section import ParamsError

PROJECT = "effopd"


class Tracker(Protocol):
    def log(self, values: Mapping[str, float], step: int) -> None: ...

    def finish(self) -> None: ...


def open_tracker(name: str, folder: Path) -> Tracker:
    """A run of the folder's name in "tensorboard", "trackio" or "wandb".

    TensorBoard's and wandb's files go into `folder`; Trackio's where TRACKIO_DIR says. wandb stays offline unless
    WANDB_MODE says otherwise. Raises `ParamsError` where the client is not installed or refuses.
    """
    if find_spec(name) is None:
        raise ParamsError(f"live.tracker is {name}, which is not installed here: pip install {name}")
    match name:
        case "wandb":
            import wandb

            mode: Any = os.environ.get("WANDB_MODE", "offline")
            try:
                return wandb.init(project=PROJECT, name=folder.name, dir=str(folder), mode=mode)
            except wandb.Error as error:  # online, but nobody has logged in
                raise ParamsError(f"live.tracker is wandb, which says: {one_line(error)}") from None
        case "trackio":
            import trackio

            return trackio.init(project=PROJECT, name=folder.name, embed=False)
        case _:
            return TensorBoard(folder)


class TensorBoard:
    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), flush_secs=5)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def finish(self) -> None:
        self._writer.close()
