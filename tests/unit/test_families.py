"""Sampling and teacher forcing of the architectures that people publish, against each sequence alone in float64."""

from __future__ import annotations

import pytest
import tiny
import torch
import zoo

from effopd.losses.tokens import token_logprobs
from effopd.rollout.sampler import Rollout, sample
from effopd.seeding import uniforms
from effopd.train.forward import completion_logits

LENGTH = 8
PROMPTS = ["3?", "3+8-4*2?", "1-1?", "9*9+0?"] * 8


def drawn(model: torch.nn.Module) -> Rollout:
    return sample(model, tiny.tokenizer(), PROMPTS, LENGTH, uniforms(7, range(len(PROMPTS)), LENGTH))


@pytest.mark.parametrize(
    ("family", "seed"), [("gemma3", 0), *((name, 2) for name in ("gpt2", "qwen3_moe", "deepseek_v3", *zoo.HYBRIDS))]
)
def test_a_row_is_sampled_and_scored_as_if_it_were_alone_though_others_are_longer_and_end_sooner(
    family: str, seed: int
) -> None:
    model = zoo.build(family, seed)
    found, reference = drawn(model), tiny.double(model)
    assert len(set(found.lengths_B.tolist())) > 1, "rows must end at different times"
    with torch.no_grad():
        forced_BT = token_logprobs(completion_logits(model, found), found.tokens_BT)
        for b, prompt in enumerate(PROMPTS):
            ids, length = tiny.tokenizer()(prompt)["input_ids"], int(found.lengths_B[b])
            tokens = found.tokens_BT[b, :length]
            alone_TV = tiny.next_token_logprobs(reference, ids + tokens.tolist())[len(ids) - 1 : -1]
            alone_T = alone_TV.gather(-1, tokens[:, None])[:, 0].float()
            torch.testing.assert_close(found.logprobs_BT[b, :length], alone_T, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(forced_BT[b, :length], alone_T, atol=1e-4, rtol=1e-4)
