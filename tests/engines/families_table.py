"""What works of the architectures that people publish, as the table of docs/engines.md: a family on each line.

    PYTHONPATH=.:tests:tests/unit:tests/engines .venv-engines/bin/python tests/engines/families_table.py

Models of two layers with random weights, on a CPU in float32. Sampling: the largest difference of a sampled token's
log-probability to that in float64. Chunks: the gradient of a loss in chunks against that of the whole in float64,
relative. LoRA: how many matrices get factors. vLLM: the largest difference of a sampled token's log-probability to the
trainer's, behind a change of all weights and a check of every tensor.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import tiny
import torch
import zoo
from transformers import PreTrainedModel

from effopd.losses.tokens import masked_sum, token_logprobs
from effopd.models.lora import adapted, add_factors
from effopd.params.section import ParamsError
from effopd.rollout.sampler import Rollout, sample
from effopd.seeding import uniforms
from effopd.teachers.local import LocalTeacher
from effopd.train.engine import TorchEngine
from effopd.train.forward import check_own_logits, completion_logits
from effopd.train.objective import Judged, chosen_loss, token_scores

PROMPTS = ["3?", "3+8-4*2?", "1-1?", "9*9+0?"] * 4
LENGTH = 8


def main() -> None:
    sys.stdout.write("| family | sampling | chunks | LoRA | vLLM |\n|---|---|---|---|---|\n")
    for family in zoo.FAMILIES:
        found = sample(
            zoo.build(family, 2), tiny.tokenizer(), PROMPTS, LENGTH, uniforms(7, range(len(PROMPTS)), LENGTH)
        )
        cells = (sampling(family, found), chunks(family, found), lora(family), vllm(family))
        sys.stdout.write(f"| {family} | {' | '.join(cells)} |\n")
        sys.stdout.flush()


@torch.no_grad()
def sampling(family: str, found: Rollout) -> str:
    exact = token_logprobs_of(tiny.double(zoo.build(family, 2)), found)
    return f"{((found.logprobs_BT - exact).abs() * found.mask_BT).max().item():.0e}"


def token_logprobs_of(model: PreTrainedModel, found: Rollout) -> torch.Tensor:
    return token_logprobs(completion_logits(model, found), found.tokens_BT)


def chunks(family: str, found: Rollout) -> str:
    student, teacher = zoo.build(family, 2), zoo.build(family, 3)
    try:
        check_own_logits(student)
    except ParamsError:
        return "refused"
    chunked = gradient(student, teacher, found, 5)
    exact = gradient(tiny.double(student), tiny.double(teacher), found, 0)
    return f"{((chunked - exact).norm() / exact.norm()).item():.0e}"


def gradient(student: PreTrainedModel, teacher: PreTrainedModel, found: Rollout, chunk: int) -> torch.Tensor:
    engine = TorchEngine(student, tiny.OPTIMIZER, 1e-3)
    judgement = LocalTeacher(teacher).judge(found, [""] * len(PROMPTS), chunk)
    loss = chosen_loss(tiny.with_values(tiny.OPD, loss="reverse_kl"))
    scores = token_scores(engine, Judged(found, judgement, found.logprobs_BT), loss, chunk)
    engine.backward(masked_sum(scores.loss_BT, found.mask_BT) / found.mask_BT.sum())
    return torch.cat([p.grad.flatten() for p in student.parameters() if p.grad is not None]).double()


def lora(family: str) -> str:
    model = zoo.build(family, 2)
    try:
        add_factors(model, 2, 4.0, 0)
    except ParamsError:
        return "refused"
    return f"{len(adapted(model))}"


def vllm(family: str) -> str:
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("vllm_family.py")), family, "float32", folder],
            check=False,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        return "fails"
    said = json.loads(done.stdout.splitlines()[-1])
    return "refused" if "refused" in said else f"{said['agreement']:.0e}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
