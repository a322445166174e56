"""Trainers run on one thread, without progress bars and without looking anything up."""

import os

os.environ |= {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline", "DS_ACCELERATOR": "cpu"}

import pytest
import torch

torch.set_num_threads(1)

pytest.importorskip("trl", reason="make test-peers installs it")
