"""Teacher forcing: one padded pass gives what each sequence gives alone."""

from __future__ import annotations

import pytest
import tiny
import torch
from transformers import PreTrainedModel

from effopd.losses.tokens import token_logprobs
from effopd.rollout.sampler import Rollout, sample
from effopd.seeding import uniforms
from effopd.train.forward import chunks, completion_logits

PROMPTS = ["3?", "3+8-4*2?", "1-1?", "9*9+0?", "5?", "7+7+7+7+7?"]


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return tiny.model(5)


@pytest.fixture(scope="module")
def rollout(model: PreTrainedModel) -> Rollout:
    found = sample(model, tiny.tokenizer(), PROMPTS, 9, uniforms(7, range(len(PROMPTS)), 9))
    assert len(set(found.lengths_B.tolist())) > 2, "completions of several lengths"
    return found


def test_padded_logits_are_those_of_each_sequence_alone(model: PreTrainedModel, rollout: Rollout) -> None:
    reference = tiny.double(model)
    with torch.no_grad():
        logits_BTV = completion_logits(model, rollout)
        for b, prompt in enumerate(PROMPTS):
            ids = tiny.tokenizer()(prompt)["input_ids"]
            length = int(rollout.lengths_B[b])
            alone = tiny.next_token_logprobs(reference, ids + rollout.tokens_BT[b, :length].tolist())
            found = logits_BTV[b, :length].double().log_softmax(-1)
            torch.testing.assert_close(found, alone[len(ids) - 1 : -1], atol=1e-4, rtol=1e-4)


def test_log_probabilities_of_the_sampler_are_those_of_teacher_forcing(
    model: PreTrainedModel, rollout: Rollout
) -> None:
    with torch.no_grad():
        found = token_logprobs(completion_logits(model, rollout), rollout.tokens_BT) * rollout.mask_BT
    torch.testing.assert_close(found, rollout.logprobs_BT, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 4, 6, 100])
def test_chunks_hold_every_unmasked_token_once_and_give_the_same_logits(
    model: PreTrainedModel, rollout: Rollout, size: int
) -> None:
    with torch.no_grad():
        whole_BTV = completion_logits(model, rollout)
        rows_seen: list[int] = []
        for rows, chunk in chunks(rollout, size):
            rows_seen += range(len(PROMPTS))[rows]
            assert len(chunk.texts) <= size
            width = int(chunk.lengths_B.max())
            assert chunk.tokens_BT.shape[1] == width
            longest = max(len(tiny.tokenizer()(prompt)["input_ids"]) for prompt in PROMPTS[rows])
            assert chunk.prompts_BP.shape[1] == chunk.prompt_mask_BP.shape[1] == longest
            assert chunk.prompt_mask_BP.sum().item() == rollout.prompt_mask_BP[rows].sum().item()
            assert chunk.lengths_B.equal(rollout.lengths_B[rows])
            assert chunk.texts == rollout.texts[rows]
            assert chunk.truncated_B.equal(rollout.truncated_B[rows])
            assert (chunk.logprobs_BT * chunk.mask_BT).sum().item() == pytest.approx(
                rollout.logprobs_BT[rows].sum().item(), abs=1e-4
            )
            torch.testing.assert_close(
                completion_logits(model, chunk) * chunk.mask_BT[..., None],
                (whole_BTV[rows] * rollout.mask_BT[rows][..., None])[:, :width],
                atol=2e-4,
                rtol=1e-4,
            )
    assert rows_seen == list(range(len(PROMPTS)))
