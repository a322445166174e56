"""Sampling from a model behind the URL of a vLLM server."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import AutoConfig, PreTrainedTokenizerBase

from effopd.files import DataError
from effopd.models.store import load_tokenizer
from effopd.models.tokenizer import encode_prompts, end_tokens
from effopd.rollout.assemble import assemble, unpadded
from effopd.rollout.sampler import Rollout
from effopd.rollout.server import Server


@dataclass(frozen=True)
class ServedPolicy:
    """ends: the ids of all tokens that end a completion."""

    server: Server
    tokenizer: PreTrainedTokenizerBase
    ends: list[int]

    def sample(self, prompts: Sequence[str], max_new_tokens: int, uniforms_BT: NDArray[np.float64] | None) -> Rollout:
        """As `effopd.rollout.sampler.sample`; the first number of a row is its request's seed.

        Requests go out side by side, one for each prompt, since each has a seed of its own; the server batches them.
        """
        encoded = encode_prompts(self.tokenizer, prompts)

        def complete(row: int, ids: list[int]) -> tuple[list[int], list[float]]:
            drawing: dict[str, Any] = {"temperature": 0.0}
            if uniforms_BT is not None:
                drawing = {"temperature": 1.0, "seed": int(uniforms_BT[row, 0] * 2**53)}
            (choice,) = self.server.complete(
                [ids],
                max_tokens=max_new_tokens,
                stop_token_ids=self.ends,
                ignore_eos=True,  # the line above says what ends a completion
                logprobs=0,
                return_token_ids=True,
                **drawing,
            )
            try:
                return list(choice["token_ids"]), [float(told) for told in choice["logprobs"]["token_logprobs"]]
            except (KeyError, TypeError, ValueError):
                raise DataError(
                    f"{self.server.url}: {self.server.model} tells no log-probability of some token that it sampled"
                ) from None

        prompts_of_rows = unpadded(*encoded)
        with ThreadPoolExecutor(max_workers=min(64, len(prompts))) as pool:
            completions = list(pool.map(complete, range(len(prompts)), prompts_of_rows))
        return assemble(encoded, completions, self.ends, self.tokenizer)


def serve(url: str, folder: Path) -> ServedPolicy:
    """The model of `folder`, which the server at `url` serves under the folder's name. Raises `DataError`."""
    tokenizer, server = load_tokenizer(folder), Server(url, str(folder))
    server.check(tokenizer)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    return ServedPolicy(server, tokenizer, end_tokens(config, tokenizer))
