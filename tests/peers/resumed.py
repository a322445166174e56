"""Runs of TRL's trainer with the callback, each in a process of its own: `python resumed.py FOLDER:STEP…`.

A run is killed in the search behind STEP, with a candidate's weights in place; 0: never. It goes on from the newest
checkpoint in FOLDER if there is one. At its end FOLDER holds weights.safetensors, triggers.json and foreseen.json, and
stdout says where each began and how it ended.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

os.environ |= {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "DS_ACCELERATOR": "cpu"}

import tiny
import torch
from toy import PROMPTS, distillation, foreseen, weights
from transformers.trainer_utils import get_last_checkpoint

from effopd.callback import EffOPDCallback, TeacherKL
from effopd.callback.score import Occasion
from effopd.extrapolation.search import Score
from effopd.files import write_json
from effopd.models.weights import save_weights


class Deadly(TeacherKL):
    """Kills the process instead of scoring the first candidate of a search, which is the `kills`-th of a run."""

    kills = 0

    def on(self, occasion: Occasion) -> Callable[[], Score]:
        measure, calls = super().on(occasion), 0

        def score() -> Score:
            nonlocal calls
            calls += 1
            if (occasion.n + 1, calls) == (self.kills, 2):
                os.kill(os.getpid(), signal.SIGKILL)
            return measure()

        return score


def run(folder: Path, step: int) -> None:
    """One process: rate_free searches behind every step."""
    score = Deadly(tiny.guesser(9, 1), PROMPTS, completions=8)
    score.kills = step
    callback = EffOPDCallback.rate_free(score, foresight=True)
    saving = {"save_strategy": "steps", "save_steps": 2}
    trainer = distillation(folder / "run", [callback], max_steps=6, lr_scheduler_type="linear", **saving)
    newest = get_last_checkpoint(str(folder / "run"))
    say(f"from {newest and Path(newest).name}")
    trainer.train(resume_from_checkpoint=newest)
    save_weights(folder / "weights.safetensors", weights(trainer.model))
    write_json(folder / "triggers.json", callback.triggers)
    write_json(folder / "foreseen.json", foreseen(trainer))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    for job in sys.argv[1:]:
        folder, step = job.rsplit(":", 1)
        if (child := os.fork()) == 0:  # what was imported is shared
            run(Path(folder), int(step))
            sys.exit()
        say(f"ended {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")
