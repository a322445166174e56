"""A run of TRL's trainer on the ranks that `torchrun` starts, or on one: `ranks.py FOLDER STAGE [CHECKPOINT]`.

STAGE: of DeepSpeed's ZeRO; 0: without DeepSpeed. CHECKPOINT: a step of an earlier run in FOLDER to go on from. FOLDER
holds what each rank has decided afterwards, triggers-RANK.json, and foreseen.json.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "DS_ACCELERATOR": "cpu"}

import tiny
import torch
from toy import PROMPTS, distillation, foreseen

from effopd.callback import EffOPDCallback, TeacherKL
from effopd.files import write_json

BATCH = 8


def zero(stage: int) -> dict[str, Any]:
    """DeepSpeed's settings, whose steps are torch's own AdamW's."""
    return {
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_clipping": "auto",
        "zero_optimization": {"stage": stage},
        "zero_force_ds_cpu_optimizer": False,
        "zero_allow_untested_optimizer": True,
    }


def run(folder: Path, stage: int, checkpoint: str | None) -> None:
    """Each step of all ranks together has the prompts of one alone, and their likeliest completions."""
    rank, ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    callback = EffOPDCallback.rate_free(TeacherKL(tiny.guesser(9, 1), PROMPTS, completions=8), foresight=True)
    trainer = distillation(
        folder / "run",
        [callback],
        per_device_train_batch_size=BATCH // ranks,
        top_k=1,
        max_steps=5,
        save_strategy="steps",
        save_steps=3,
        deepspeed=zero(stage) if stage else None,
    )
    trainer.train(resume_from_checkpoint=checkpoint and str(folder / "run" / f"checkpoint-{checkpoint}"))
    write_json(folder / f"triggers-{rank}.json", callback.triggers)
    if rank == 0:
        write_json(folder / "foreseen.json", foreseen(trainer))


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(Path(sys.argv[1]), int(sys.argv[2]), next(iter(sys.argv[3:]), None))
