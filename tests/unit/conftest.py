"""Unit tests run on one thread, without progress bars and without looking anything up."""

import os

os.environ |= {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1"}

import torch

torch.set_num_threads(1)
