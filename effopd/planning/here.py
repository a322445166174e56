"""The machine that a command runs on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from effopd.planning.plan import Machine


def machine(gpus: int | None, gpu_memory: float | None, memory: float | None, disk: float | None) -> Machine:
    """The machine as it is told, and as it is found where it is not. Raises ValueError for GPUs of unknown size."""
    if gpus is None or (gpus and gpu_memory is None):
        import torch  # which takes seconds

        found = torch.cuda.device_count()
        gpus = found if gpus is None else gpus
        if gpus and gpu_memory is None:
            if not found:
                raise ValueError("there is no GPU here to take the memory from: --gpu-memory 80GiB")
            gpu_memory = float(torch.cuda.get_device_properties(0).total_memory)
    return Machine(
        gpus=gpus,
        gpu_memory=gpu_memory or 0.0,
        memory=memory or float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        disk=disk or float(shutil.disk_usage(Path.cwd()).free),
    )
