"""Where models live: on the device that is asked for, or an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from effopd.params.run import RunParams
from effopd.params.section import ParamsError
from stages.machine import set_up


def test_models_are_trained_evaluated_and_analysed_on_another_device() -> None:
    cases = Path(__file__).with_name("on_far_device.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cases.as_posix()]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ParamsError, match=r"params\.yaml: run\.device is cuda, but torch finds no GPU here"):
        set_up(RunParams(seed=1, replicates=[0], threads=1, device="cuda"))


def test_on_the_cpu_gpus_are_hidden_from_every_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert set_up(RunParams(seed=1, replicates=[0], threads=1, device="cpu")) == torch.device("cpu")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
