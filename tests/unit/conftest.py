"""Unit tests run on one thread, without progress bars and without looking anything up."""

import os
from pathlib import Path

os.environ |= {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1"}

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the seconds of runs are kept, otherwise in the user's own folder."""
    monkeypatch.setenv("EFFOPD_COSTS", str(tmp_path / "costs"))
    return tmp_path / "costs"
