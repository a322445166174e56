"""Sampling against exact enumeration of all completions with a float64 model, without cache, padding or batch."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import tiny
import torch
from numpy.typing import NDArray
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from effopd.losses.tokens import token_logprobs
from effopd.rollout.sampler import Rollout, sample
from effopd.seeding import uniforms
from effopd.train.forward import completion_logits

ALPHABET = "ab?"  # five tokens with padding and end
PROMPTS = ["a?", "bbab?", "?", "abababa?"]
EDGE = 1e-5  # a number this close to an interval's end may fall on either side in float32


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return tiny.model(3, ALPHABET)


@pytest.fixture(scope="module")
def reference(model: PreTrainedModel) -> PreTrainedModel:
    return tiny.double(model)


def draw(model: PreTrainedModel, prompts: list[str], length: int, numbers_BT: NDArray[np.float64] | None) -> Rollout:
    return sample(model, tiny.tokenizer(ALPHABET), prompts, length, numbers_BT)


def ids(prompt: str) -> list[int]:
    return [2 + ALPHABET.index(character) for character in prompt]


def rows(found: Rollout) -> list[list[int]]:
    """The unmasked tokens of each completion."""
    return [tokens[mask.bool()].tolist() for tokens, mask in zip(found.tokens_BT, found.mask_BT, strict=True)]


def step_probabilities(reference: PreTrainedModel, prefix: list[int]) -> NDArray[np.float64]:
    with torch.no_grad():
        return tiny.next_token_logprobs(reference, prefix)[-1].exp().numpy()


def enumerate_completions(reference: PreTrainedModel, prompt: list[int], length: int) -> dict[tuple[int, ...], float]:
    """The probability of every completion of at most `length` tokens; id 1 ends one."""
    found: dict[tuple[int, ...], float] = {}
    open_prefixes = {(): 1.0}
    for _ in range(length):
        extended = {}
        for prefix, mass in open_prefixes.items():
            for token, p in enumerate(step_probabilities(reference, [*prompt, *prefix])):
                target = found if token == 1 else extended
                target[(*prefix, token)] = mass * float(p)
        open_prefixes = extended
    return found | open_prefixes


def test_a_grid_of_numbers_gives_every_completion_its_exact_probability(
    model: PreTrainedModel, reference: PreTrainedModel
) -> None:
    n = 50
    grid = (np.arange(n) + 0.5) / n
    numbers_BT = np.array(list(itertools.product(grid, grid)))
    counts: dict[tuple[int, ...], int] = {}
    for row in rows(draw(model, ["ab?"] * n * n, 2, numbers_BT)):
        counts[tuple(row)] = counts.get(tuple(row), 0) + 1
    expected = enumerate_completions(reference, ids("ab?"), 2)
    assert sum(expected.values()) == pytest.approx(1)
    assert counts.keys() <= expected.keys()
    assert sum(p > 0.03 for p in expected.values()) > 6, "many completions are likely"
    for completion, p in expected.items():  # each of two intervals holds its length's share of the grid but one point
        assert counts.get(completion, 0) / n**2 == pytest.approx(p, abs=2.1 / n)
    first = {token: sum(c for row, c in counts.items() if row[0] == token) / n**2 for token in range(5)}
    for token, p in enumerate(step_probabilities(reference, ids("ab?"))):
        assert first[token] == pytest.approx(p, abs=1.01 / n)


def test_each_token_inverts_the_cumulative_distribution_at_its_own_number(
    model: PreTrainedModel, reference: PreTrainedModel
) -> None:
    length, rng = 6, np.random.default_rng(0)
    prompts = [PROMPTS[i % len(PROMPTS)] for i in range(60)]
    numbers_BT = rng.random((len(prompts), length))
    found = draw(model, prompts, length, numbers_BT)
    checked = 0
    for prompt, numbers, row, logprobs, truncated in zip(
        prompts, numbers_BT, rows(found), found.logprobs_BT, found.truncated_B, strict=True
    ):
        prefix = ids(prompt)
        for t, token in enumerate(row):
            p = step_probabilities(reference, prefix)
            edges = np.concatenate([[0.0], np.cumsum(p)])
            if np.abs(edges - numbers[t]).min() > EDGE:
                assert edges[token] <= numbers[t] < edges[token + 1]
                checked += 1
            assert logprobs[t].item() == pytest.approx(math.log(p[token]), abs=2e-4)
            prefix.append(token)
        assert 1 not in row[:-1], "nothing is sampled behind the end token"
        assert bool(truncated) == (row[-1] != 1)
        assert len(row) == length or not truncated
    assert checked > 100
    assert 0 < int(found.truncated_B.sum()) < len(prompts), "some completions end and some meet the limit"


def test_the_ends_of_the_unit_interval_stay_inside_the_vocabulary(model: PreTrainedModel) -> None:
    top = np.nextafter(1.0, 0.0)
    found = draw(model, ["a?", "a?"], 1, np.array([[0.0], [top]]))
    assert found.tokens_BT[:, 0].tolist() == [0, 4]


def test_a_number_on_an_edge_belongs_to_the_token_above_it() -> None:
    """Four tokens of one quarter each: numbers in [0, 1), intervals closed below and open above."""
    even = tiny.model(3, "a?")
    with torch.no_grad():
        even.lm_head.weight.zero_()
    numbers_BT = np.array([[0.0], [0.25], [0.5], [0.75], [0.75 - 1e-9]])
    found = sample(even, tiny.tokenizer("a?"), ["a?"] * 5, 1, numbers_BT)
    assert found.tokens_BT[:, 0].tolist() == [0, 1, 2, 3, 2]


def test_positions_start_behind_the_padding_for_models_that_count_them() -> None:
    """GPT-2 learns a vector for each position, where Qwen's rotations only see distances."""
    torch.manual_seed(0)
    counting = GPT2LMHeadModel(GPT2Config(vocab_size=5, n_positions=32, n_embd=16, n_layer=1, n_head=2)).eval()
    with torch.no_grad():
        for parameter in counting.parameters():
            parameter.mul_(20)
    numbers_BT = uniforms(5, range(len(PROMPTS)), 6)
    whole = draw(counting, PROMPTS, 6, numbers_BT)
    for i, prompt in enumerate(PROMPTS):
        alone = draw(counting, [prompt], 6, numbers_BT[i : i + 1])
        assert rows(alone)[0] == rows(whole)[i]
        torch.testing.assert_close(
            alone.logprobs_BT[0], whole.logprobs_BT[i, : len(rows(whole)[i])], atol=1e-3, rtol=1e-3
        )
    forced = token_logprobs(completion_logits(counting, whole).detach(), whole.tokens_BT) * whole.mask_BT
    torch.testing.assert_close(forced, whole.logprobs_BT, atol=1e-3, rtol=1e-3)


def test_neighbours_batch_size_and_padding_change_no_completion(model: PreTrainedModel) -> None:
    prompts = [PROMPTS[i % len(PROMPTS)] for i in range(24)]
    numbers_BT = uniforms(5, range(len(prompts)), 8)
    whole = draw(model, prompts, 8, numbers_BT)
    order = np.random.default_rng(1).permutation(len(prompts))
    shuffled = draw(model, [prompts[i] for i in order], 8, numbers_BT[order])
    alone = [draw(model, [prompt], 8, numbers_BT[i : i + 1]) for i, prompt in enumerate(prompts)]
    for i, row in enumerate(rows(whole)):
        assert rows(alone[i])[0] == row
        assert rows(shuffled)[int(np.flatnonzero(order == i)[0])] == row
        torch.testing.assert_close(alone[i].logprobs_BT[0], whole.logprobs_BT[i, : len(row)], atol=1e-4, rtol=1e-4)
    assert [one.texts[0] for one in alone] == whole.texts
    assert [bool(one.truncated_B) for one in alone] == whole.truncated_B.tolist()


def test_a_longer_limit_keeps_the_first_tokens(model: PreTrainedModel) -> None:
    numbers_BT = uniforms(6, range(20), 7)
    short, long = (draw(model, ["ab?"] * 20, length, numbers_BT) for length in (3, 7))
    for before, after in zip(rows(short), rows(long), strict=True):
        assert after[: len(before)] == before


def test_greedy_takes_the_likeliest_token_of_the_float64_model(
    model: PreTrainedModel, reference: PreTrainedModel
) -> None:
    found = draw(model, PROMPTS, 6, None)
    for prompt, row in zip(PROMPTS, rows(found), strict=True):
        prefix = ids(prompt)
        for token in row:
            p = step_probabilities(reference, prefix)
            assert p[token] > p.max() - 1e-6
            prefix.append(token)
        assert row[-1] == 1 or len(row) == 6


def test_returned_tensors_fit_each_other(model: PreTrainedModel) -> None:
    found = draw(model, PROMPTS * 5, 6, uniforms(7, range(20), 6))
    width = int(found.lengths_B.max())
    assert found.tokens_BT.shape == found.mask_BT.shape == found.logprobs_BT.shape == (20, width)
    assert found.tokens_BT[found.mask_BT == 0].eq(0).all(), "padding behind the end"
    assert found.logprobs_BT[found.mask_BT == 0].eq(0).all()
    assert found.mask_BT.diff(dim=-1).le(0).all(), "no token stands behind padding"
    texts = ["".join(ALPHABET[t - 2] for t in row if t > 1) for row in rows(found)]
    assert found.texts == texts
    lengths = [len(prompt) for prompt in PROMPTS * 5]
    assert found.prompt_mask_BP.sum(-1).tolist() == lengths
    for prompt, row in zip(PROMPTS * 5, found.prompts_BP, strict=True):
        assert row[-len(prompt) :].tolist() == ids(prompt)


def test_a_model_that_always_ends_gives_empty_texts_of_one_token(model: PreTrainedModel) -> None:
    ending = tiny.model(3, ALPHABET)
    with torch.no_grad():
        ending.lm_head.weight.zero_()
    numbers_BT = np.full((2, 4), 0.3)  # uniform over five tokens: 0.3 is the second, the end token
    found = draw(ending, ["a?", "bb?"], 4, numbers_BT)
    assert found.texts == ["", ""]
    assert found.tokens_BT.tolist() == [[1], [1]]
    assert found.truncated_B.tolist() == [False, False]
    torch.testing.assert_close(found.logprobs_BT, torch.full((2, 1), -math.log(5)))
