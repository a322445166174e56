"""A run of TRL's trainer that reports to a tracker: `python tracked.py FOLDER TRACKER`.

FOLDER/scores.json holds the score of the weights as trained, by step of a search.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ |= {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "DS_ACCELERATOR": "cpu"}

import tiny
import torch
from toy import PROMPTS, distillation

from effopd.callback import EffOPDCallback, TeacherKL
from effopd.files import write_json

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, tracker = Path(sys.argv[1]), sys.argv[2]
    callback = EffOPDCallback(TeacherKL(tiny.guesser(9, 1), PROMPTS, completions=8))
    distillation(folder, [callback], report_to=tracker, project="effopd", run_name="one").train()
    write_json(folder / "scores.json", {row["step"]: row["score"] for row in callback.triggers})
