"""What a disk that takes no more makes of weights that are being saved."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch

from effopd.errors import MachineError
from effopd.models.weights import load_weights, save_weights


def test_weights_that_a_disk_has_no_room_for_are_one_line_and_leave_the_old_ones(tmp_path: Path) -> None:
    path, before = tmp_path / "model.safetensors", {"weight": torch.ones(8)}
    save_weights(path, before)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # a write beyond it fails, as on a full disk
    try:
        with pytest.raises(MachineError, match=rf"^{path}: cannot be written \(.*") as caught:
            save_weights(path, {"weight": torch.ones(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert load_weights(path)["weight"].equal(before["weight"])
