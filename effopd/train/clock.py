"""Seconds by three clocks: the wall's, which other guests of a machine slow down, the processors' own, and a GPU's."""

from __future__ import annotations

import time

import torch


class Clock:
    """Starts when it is made. A GPU's seconds are those between two marks in its own queue of work."""

    def __init__(self, device: torch.device) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self._began = _mark() if device.type == "cuda" else None

    def read(self) -> dict[str, float]:
        """seconds, cpu_seconds of all threads of this process, and on a GPU device_seconds, since the start."""
        times = {"seconds": time.perf_counter() - self._wall, "cpu_seconds": time.process_time() - self._cpu}
        if self._began is not None:
            ended = _mark()
            ended.synchronize()
            times["device_seconds"] = self._began.elapsed_time(ended) / 1000
        return times


def _mark() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event
