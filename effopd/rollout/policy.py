"""A model whose completions are evaluated, run by transformers or by vLLM in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.models.store import load_model, load_tokenizer, put_weights
from effopd.params.rollout import RolloutParams
from effopd.rollout.sampler import Rollout, sample
from effopd.rollout.vllm import check_agreement, probe, sample_with_vllm, start_vllm
from effopd.rollout.vllm_weights import VLLMWeights


class Policy(Protocol):
    """Whatever completes prompts at temperature 1, or greedily."""

    def sample(
        self, prompts: Sequence[str], max_new_tokens: int, uniforms_BT: NDArray[np.float64] | None
    ) -> Rollout: ...


@dataclass(frozen=True)
class ModelPolicy:
    """A model of transformers. A completion depends on its own row of random numbers and on no other."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    def sample(self, prompts: Sequence[str], max_new_tokens: int, uniforms_BT: NDArray[np.float64] | None) -> Rollout:
        return sample(self.model, self.tokenizer, prompts, max_new_tokens, uniforms_BT)

    def put(self, weights: Mapping[str, Tensor]) -> None:
        """Go on with these weights, given by name; a tied head follows its embedding."""
        put_weights(self.model, weights)


@dataclass(frozen=True)
class VLLMPolicy:
    """vLLM's `LLM`. The first number of a row is its request's seed."""

    llm: Any
    tokenizer: PreTrainedTokenizerBase
    inside: VLLMWeights

    def sample(self, prompts: Sequence[str], max_new_tokens: int, uniforms_BT: NDArray[np.float64] | None) -> Rollout:
        return sample_with_vllm(self.llm, self.tokenizer, prompts, max_new_tokens, uniforms_BT)

    def put(self, weights: Mapping[str, Tensor]) -> None:
        """Go on with these weights, given by name; a tied head follows its embedding. Raises `StaleWeightsError`."""
        self.inside.give(weights.items, "evaluation")


def open_policy(folder: Path, params: RolloutParams, precision: str, device: torch.device) -> ModelPolicy | VLLMPolicy:
    """The model in `folder`, run by the engine that samples in training.

    precision: "float32" or "bfloat16". device: a transformers model's; vLLM finds its own. Raises `DataError` for a
    damaged model, `ParamsError` where vLLM cannot run it, and `StaleWeightsError` where it computes something else.
    """
    tokenizer = load_tokenizer(folder)
    if params.engine == "vllm":
        model = load_model(folder, precision).to(device)
        expected_L = probe(model, model.config.get_text_config().vocab_size, device)
        del model
        torch.cuda.empty_cache()  # vLLM asks the device for what is free
        llm = start_vllm(folder, precision, params.gpu_memory)
        check_agreement(llm, expected_L, precision, f"{folder}")
        return VLLMPolicy(llm, tokenizer, VLLMWeights(llm))
    return ModelPolicy(load_model(folder, precision).to(device), tokenizer)
