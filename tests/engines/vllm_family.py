"""One family in one vLLM, of which a process can start one: `vllm_family.py FAMILY PRECISION FOLDER` says as JSON

agreement: the largest difference of a sampled token's log-probability to the trainer's, after a change of all weights.
stale: what is said when one matrix after another keeps the numbers from before a step of 1e-6, by the matrix's name,
for all matrices that the step moves at this precision. evaluation: the same of a checkpoint put into a policy, for one
matrix. refused: what is said where vLLM cannot be used.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import zoo
from torch import Tensor
from unit import tiny

from effopd.losses.tokens import token_logprobs
from effopd.models.store import load_model, published, save_model
from effopd.params.section import ParamsError
from effopd.rollout.policy import VLLMPolicy
from effopd.rollout.vllm import StaleWeightsError, check_agreement, probe, sample_with_vllm, start_vllm, vocabulary_of
from effopd.rollout.vllm_weights import VLLMWeights
from effopd.seeding import uniforms
from effopd.train.forward import completion_logits
from effopd.trajectory.store import open_checkpoint, step_folder

PROMPTS = [problem.prompt for problem in tiny.problems(6)]
_overwrite = VLLMWeights._overwrite


def weights(model: Any) -> Iterator[tuple[str, Tensor]]:
    return published(model, model.named_parameters())


@torch.no_grad()
def move(model: Any, rate: float) -> None:
    numbers = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.add_(rate * torch.randn(parameter.shape, generator=numbers))


def keep(stale: Mapping[str, Tensor]) -> None:
    """From now on vLLM is given these instead of what the trainer has."""

    def overwrite(self: VLLMWeights, given: Iterator[tuple[str, Tensor]]) -> None:
        _overwrite(self, ((name, stale.get(name, tensor)) for name, tensor in given))

    VLLMWeights._overwrite = overwrite  # type: ignore[method-assign]


@torch.no_grad()
def agreement(llm: Any, model: Any) -> float:
    drawn = sample_with_vllm(llm, tiny.tokenizer(), PROMPTS, 6, uniforms(1, range(len(PROMPTS)), 6))
    trainer_BT = token_logprobs(completion_logits(model, drawn), drawn.tokens_BT)
    return ((trainer_BT - drawn.logprobs_BT).abs() * drawn.mask_BT).max().item()


def measured(family: str, precision: str, root: Path) -> dict[str, Any]:
    save_model(root / "model", zoo.build(family, 2), tiny.tokenizer())
    model, llm = load_model(root / "model"), start_vllm(root / "model", precision, 0.1)
    check_agreement(llm, probe(model, vocabulary_of(llm), torch.device("cpu")), precision, "step 0")
    inside, dtype = VLLMWeights(llm), llm.model_config.dtype
    inside.give(lambda: weights(model), "step 0")
    move(model, 0.05)
    inside.give(lambda: weights(model), "step 1")
    found: dict[str, Any] = {"agreement": agreement(llm, model)}

    before = {name: tensor.clone() for name, tensor in weights(model)}
    move(model, 1e-6)
    moved = [name for name, tensor in weights(model) if not tensor.to(dtype).equal(before[name].to(dtype))]
    found["stale"] = {}
    for name in moved:
        keep({name: before[name]})
        found["stale"][name] = said(lambda: inside.give(lambda: weights(model), "step 2"))

    keep({})
    policy = VLLMPolicy(llm, tiny.tokenizer(), VLLMWeights(llm))
    for step in (1, 2):
        save_model(step_folder(root, step), model, tiny.tokenizer())
        move(model, 1e-2)
    one, two = (open_checkpoint(root, step) for step in (1, 2))
    policy.put(one)
    keep({moved[-1]: one[moved[-1]]})
    found["evaluation"] = {moved[-1]: said(lambda: policy.put(two))}
    return found


def said(call: Any) -> str:
    try:
        call()
    except StaleWeightsError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    torch.set_num_threads(1)
    family, precision, folder = sys.argv[1:]
    try:
        result = measured(family, precision, Path(folder))
    except (ParamsError, StaleWeightsError) as error:
        result = {"refused": str(error)}
    sys.stdout.write(json.dumps(result) + "\n")
