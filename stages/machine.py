"""What of the machine a stage computes with."""

from __future__ import annotations

import os

import torch

from effopd.params.run import RunParams
from effopd.params.section import ParamsError
from stages.harness import PARAMS


def set_up(run: RunParams) -> torch.device:
    """Bound torch's CPU threads, and return the device that models live on.

    On `cpu` GPUs are hidden from this process, so that DeepSpeed and vLLM compute where torch does. Raises
    `ParamsError` when a GPU is asked for and none is there.
    """
    torch.set_num_threads(run.threads)
    if run.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif not torch.cuda.is_available():
        raise ParamsError(f"{PARAMS}: run.device is cuda, but torch finds no GPU here: set it to cpu")
    return torch.device(run.device)
