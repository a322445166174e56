"""A step of the torch engine against AdamW in float64, and gradients that are no numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import tiny
import torch
from tiny import OPTIMIZER, with_values
from torch import Tensor

from effopd.train.engine import NonFiniteError, TorchEngine


def adamw(weights: Tensor, gradients: list[Tensor], rate: float, params: Any, norms: list[float]) -> Tensor:
    """AdamW in float64, from its equations (arXiv 1711.05101, algorithm 2), on gradients clipped by their norm."""
    first, second = torch.zeros_like(weights), torch.zeros_like(weights)
    for t, (gradient, norm) in enumerate(zip(gradients, norms, strict=True), start=1):
        clipped = gradient * min(1.0, params.max_grad_norm / (norm + 1e-6))
        first = params.beta1 * first + (1 - params.beta1) * clipped
        second = params.beta2 * second + (1 - params.beta2) * clipped**2
        step = first / (1 - params.beta1**t) / ((second / (1 - params.beta2**t)).sqrt() + 1e-8)
        weights = weights - rate * (step + params.weight_decay * weights)
    return weights


def test_the_optimiser_is_adamw_on_clipped_gradients() -> None:
    params = with_values(OPTIMIZER, beta1=0.7, beta2=0.9, weight_decay=0.3, max_grad_norm=2.0)
    trained = tiny.model()
    before = {name: p.detach().double().clone() for name, p in trained.named_parameters()}
    engine = TorchEngine(trained, params, 0.01)
    generator = torch.Generator().manual_seed(0)
    history: dict[str, list[Tensor]] = {name: [] for name in before}
    norms = []
    for step, scale in enumerate([1.0, 0.001, 3.0], start=1):  # the second is not clipped
        for name, parameter in trained.named_parameters():
            parameter.grad = scale * torch.randn(parameter.shape, generator=generator)
            history[name].append(parameter.grad.double())
        norms.append(math.sqrt(sum(float((g[-1] ** 2).sum()) for g in history.values())))
        assert engine.step(step) == pytest.approx(norms[-1], rel=1e-5)
        assert all(p.grad is None or not p.grad.any() for p in trained.parameters()), "gradients do not add up"
    assert norms[1] < 2.0 < norms[0]
    for name, parameter in trained.named_parameters():
        expected = adamw(before[name], history[name], 0.01, params, norms)
        torch.testing.assert_close(parameter.double(), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_changes_no_weight(value: float) -> None:
    trained = tiny.model()
    before = {name: p.detach().clone() for name, p in trained.named_parameters()}
    engine = TorchEngine(trained, OPTIMIZER, 0.01)
    for parameter in trained.parameters():
        parameter.grad = torch.ones_like(parameter)
    trained.lm_head.weight.grad[0, 0] = value
    with pytest.raises(NonFiniteError, match=r"^step 12: "):
        engine.step(12)
    assert all(p.equal(before[name]) for name, p in trained.named_parameters())
