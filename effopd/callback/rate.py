"""A learning rate that is scaled, whoever schedules it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class ScaledRate:
    """Multiplies an optimiser's learning rates while it steps, and at no other time.

    Whatever schedules, reads or saves them in between, wherever that happens, sees the scheduled rate: schedulers of
    torch, accelerate and DeepSpeed, which steps within the backward pass.
    scale: what they are multiplied by, asked for at each step, until `remove`.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, scale: Callable[[], float]) -> None:
        self._scale = scale
        self._scheduled: list[tuple[dict[str, Any], Any]] = []
        self._hooks = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _before(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self._scheduled = [(group, group["lr"]) for group in optimizer.param_groups]
        for group, rate in self._scheduled:
            group["lr"] = rate * self._scale()

    def _after(self, *_: Any) -> None:
        for group, rate in self._scheduled:
            group["lr"] = rate
