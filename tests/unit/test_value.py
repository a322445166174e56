"""Advantages over a critic and its loss, against sums written out in float64, closed forms and cases by hand."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from effopd.losses.policy_gradient import clipped_surrogate
from effopd.losses.value import clipped_value_loss, generalised_advantages
from effopd.train.critic import explained_variance, moments, whiten
from effopd.train.engine import TorchEngine

LENGTHS = [5, 1, 3, 4]
REWARDS_B = torch.tensor([1.0, 0.0, 0.25, 1.0])


def batch(width: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Values, NaN under the mask, and the mask."""
    values_BT = torch.tensor(np.random.default_rng(seed).normal(0.5, 0.7, (4, 5)), dtype=torch.float32)
    mask_BT = (torch.arange(width) < torch.tensor(LENGTHS)[:, None]).float()
    wide_BT = torch.full((4, width), math.nan)
    wide_BT[:, :5] = values_BT
    return wide_BT.where(mask_BT.bool(), math.nan), mask_BT


def deltas(reward: float, values: list[float]) -> list[float]:
    """r_t + V_{t+1} − V_t of one completion, the reward at its last token and no value behind it."""
    after = [*values[1:], 0.0]
    given = [0.0] * (len(values) - 1) + [reward]
    return [r + later - now for r, later, now in zip(given, after, values, strict=True)]


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.95, 1.0])
@pytest.mark.parametrize("width", [5, 8])
def test_advantages_are_the_sum_of_all_later_deltas(decay: float, width: int) -> None:
    values_BT, mask_BT = batch(width)
    found_BT = generalised_advantages(REWARDS_B, values_BT, mask_BT, decay)
    for b, length in enumerate(LENGTHS):
        of = deltas(REWARDS_B[b].item(), values_BT[b, :length].tolist())
        expected = [math.fsum(decay**i * delta for i, delta in enumerate(of[t:])) for t in range(length)]
        assert found_BT[b, :length].tolist() == pytest.approx(expected, abs=1e-6)
    assert found_BT[mask_BT == 0].eq(0).all(), "whatever stands under the mask"


def test_at_one_they_are_the_reward_minus_the_values_and_at_zero_one_step_of_them() -> None:
    values_BT, mask_BT = batch()
    returns_BT = generalised_advantages(REWARDS_B, values_BT, mask_BT, 1.0) + values_BT
    steps_BT = generalised_advantages(REWARDS_B, values_BT, mask_BT, 0.0)
    for b, length in enumerate(LENGTHS):
        assert returns_BT[b, :length].tolist() == pytest.approx([REWARDS_B[b].item()] * length, abs=1e-6)
        assert steps_BT[b, : length - 1].tolist() == pytest.approx(
            (values_BT[b, 1:length] - values_BT[b, : length - 1]).tolist(), abs=1e-6
        )
        assert steps_BT[b, length - 1].item() == pytest.approx((REWARDS_B[b] - values_BT[b, length - 1]).item())


def test_a_critic_that_knows_the_reward_leaves_no_advantage() -> None:
    mask_BT = batch()[1]
    for decay in (0.0, 0.7, 1.0):
        found_BT = generalised_advantages(REWARDS_B, REWARDS_B[:, None].expand(4, 5), mask_BT, decay)
        assert found_BT.abs().max() < 1e-6


@pytest.mark.parametrize(
    ("value", "expected", "slope"),
    [  # old value 0.5, clipped at ±0.2
        (0.6, 0.5 * 0.4**2, -0.4),  # towards a return of 1, within the clip
        (0.9, 0.5 * 0.3**2, 0.0),  # beyond it: held at 0.7, pulled no more
        (0.2, 0.5 * 0.8**2, -0.8),  # the wrong way, beyond it: pulled back all the same
        (1.8, 0.5 * 0.8**2, 0.8),  # past the return by more than the clip leaves: pulled back too
    ],
)
def test_a_value_is_pulled_until_it_has_moved_by_the_clip(value: float, expected: float, slope: float) -> None:
    values_BT = torch.tensor([[value]], dtype=torch.float64, requires_grad=True)
    loss_BT = clipped_value_loss(values_BT, torch.full((1, 1), 0.5), torch.ones(1, 1), 0.2)
    loss_BT.sum().backward()
    assert values_BT.grad is not None
    assert (loss_BT.item(), values_BT.grad.item()) == (pytest.approx(expected), pytest.approx(slope))


def test_values_that_did_not_move_have_the_squared_errors_gradient() -> None:
    """On the first update both branches are equal; torch shares a tie's gradient between them."""
    values_BT = torch.tensor([[0.5, -1.0]], requires_grad=True)
    clipped_value_loss(values_BT, values_BT.detach(), torch.tensor([[1.0, 1.0]]), 0.2).sum().backward()
    assert values_BT.grad is not None and values_BT.grad.tolist() == [[-0.5, -2.0]]


def expected_surrogate(logits: list[float], old: list[float], advantages: list[float], clip: float) -> float:
    """Σ_y π_old(y) · −min(ρ A, clip(ρ) A) over the whole vocabulary, in float64."""
    total = math.fsum(map(math.exp, logits))
    before = math.fsum(map(math.exp, old))
    terms = []
    for logit, was, advantage in zip(logits, old, advantages, strict=True):
        sampled = math.exp(was) / before
        ratio = math.exp(logit) / total / sampled
        terms.append(sampled * -min(ratio * advantage, min(max(ratio, 1 - clip), 1 + clip) * advantage))
    return math.fsum(terms)


@pytest.mark.parametrize("moved", [0.0, 0.6])
def test_the_surrogates_gradient_is_that_of_its_expectation_over_the_vocabulary(moved: float) -> None:
    rng = np.random.default_rng(3)
    old, advantages = rng.normal(0, 1, 5), rng.normal(0, 1, 5)
    logits = old + moved * rng.normal(0, 1, 5)
    logits_V = torch.tensor(logits, requires_grad=True)
    old_1V = torch.tensor(old).log_softmax(-1)[None]
    loss_1V = clipped_surrogate(logits_V.log_softmax(-1)[None], old_1V, torch.tensor(advantages)[None], 0.2, 0.2)
    (loss_1V * old_1V.exp()).sum().backward()
    assert logits_V.grad is not None
    for v in range(5):
        up, down = logits.copy(), logits.copy()
        up[v] += 1e-6
        down[v] -= 1e-6
        values = [expected_surrogate(list(at), list(old), list(advantages), 0.2) for at in (up, down)]
        assert logits_V.grad[v].item() == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-7)
    ratios = (logits_V.detach().log_softmax(-1) - old_1V[0]).exp()
    assert bool(((ratios - 1).abs() > 0.2).any()) == (moved > 0)


class Ranks:
    """Adds up over threads, as an engine's `sum` does over ranks."""

    def __init__(self, count: int) -> None:
        self._values: list[tuple[float, ...]] = []
        self._barrier = Barrier(count)

    def sum(self, *values: float) -> tuple[float, ...]:
        self._values.append(values)
        self._barrier.wait()
        totals = tuple(map(math.fsum, zip(*self._values, strict=True)))
        if self._barrier.wait() == 0:
            self._values = []
        self._barrier.wait()
        return totals


def test_over_ranks_it_is_whitened_and_explained_as_in_one_process() -> None:
    values_BT, mask_BT = batch()
    advantages_BT = generalised_advantages(REWARDS_B, values_BT, mask_BT, 0.9)
    returns_BT = advantages_BT + values_BT
    tokens = sum(LENGTHS)

    def both(engine: Any, rows: slice) -> tuple[Tensor, float]:
        part = advantages_BT[rows], mask_BT[rows]
        return whiten(engine, *part, tokens), explained_variance(engine, part[0], returns_BT[rows], part[1], tokens)

    one_BT, explained = both(TorchEngine(tiny.model(), tiny.OPTIMIZER, 1e-3), slice(None))
    ranks = Ranks(2)
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda rows: both(ranks, rows), (slice(1), slice(1, None))))  # 5 tokens and 8
    torch.testing.assert_close(torch.cat([part for part, _ in parts]), one_BT, rtol=0, atol=1e-6)
    assert [value for _, value in parts] == pytest.approx([explained] * 2)

    kept = mask_BT.bool()
    white = one_BT[kept].double().numpy()
    assert (white.mean(), white.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, rel=1e-6))
    raw, returns = advantages_BT[kept].double().numpy(), returns_BT[kept].double().numpy()
    np.testing.assert_allclose(white, (raw - raw.mean()) / raw.std(), atol=1e-5)
    assert explained == pytest.approx(1 - raw.var() / returns.var())


def test_equal_advantages_whiten_to_nothing_and_equal_returns_explain_nothing() -> None:
    engine, mask_BT = TorchEngine(tiny.model(), tiny.OPTIMIZER, 1e-3), batch()[1]
    equal_BT = torch.full((4, 5), 0.1) * mask_BT
    assert whiten(engine, equal_BT, mask_BT, 13).masked_select(mask_BT.bool()).abs().max() < 1e-3
    assert moments(engine, equal_BT, mask_BT, 13)[1] < 1e-18
    ones_BT = torch.ones(4, 5)
    assert explained_variance(engine, ones_BT, ones_BT, mask_BT, 13) == 0.0


@pytest.mark.parametrize("off", [0.0, 0.3, 1.0])
def test_a_critic_that_is_wrong_by_a_constant_explains_all_variance(off: float) -> None:
    engine = TorchEngine(tiny.model(), tiny.OPTIMIZER, 1e-3)
    mask_BT = batch()[1]
    returns_BT = REWARDS_B[:, None] * mask_BT
    assert explained_variance(engine, torch.full((4, 5), off), returns_BT, mask_BT, 13) == pytest.approx(1.0)
