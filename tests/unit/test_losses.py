"""Losses against float64 enumeration over a tiny vocabulary; gradients against central differences of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import between, of_tokens
from torch import Tensor

from effopd.losses.forward_kl import forward_kl
from effopd.losses.jsd import jsd
from effopd.losses.policy_gradient import clipped_surrogate, group_advantages, reference_kl, sequence_mean
from effopd.losses.reverse_kl import reverse_kl
from effopd.losses.sampled import exopd, sampled
from effopd.losses.seen import Seen
from effopd.losses.tokens import entropy, masked_sum, token_logprobs

Array = NDArray[np.float64]
B, T, V = 2, 3, 5
UNCAPPED = 1e30


def logits(seed: int, shape: tuple[int, ...] = (B, T, V)) -> Array:
    return np.random.default_rng(seed).normal(0, 1.5, shape)


def softmax(row: Array) -> list[float]:
    total = math.fsum(math.exp(x) for x in row)
    return [math.exp(x) / total for x in row]


def kl(p: list[float], q: list[float]) -> float:
    return math.fsum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True) if a > 0)


def enumerated_reverse_kl(student: Array, teacher: Array) -> float:
    return kl(softmax(student), softmax(teacher))


def enumerated_forward_kl(student: Array, teacher: Array) -> float:
    return kl(softmax(teacher), softmax(student))


def enumerated_jsd(beta: float) -> Callable[[Array, Array], float]:
    def value(student: Array, teacher: Array) -> float:
        p_student, p_teacher = softmax(student), softmax(teacher)
        mixture = [beta * t + (1 - beta) * s for s, t in zip(p_student, p_teacher, strict=True)]
        return beta * kl(p_teacher, mixture) + (1 - beta) * kl(p_student, mixture)

    return value


def differentiated(value: Callable[[Array, Array], float], student: Array, teacher: Array) -> Array:
    """∂ value / ∂ student logits of one position, by central differences."""
    step, gradient = 1e-5, np.zeros_like(student)
    for v in range(len(student)):
        shift = np.eye(len(student))[v] * step
        gradient[v] = (value(student + shift, teacher) - value(student - shift, teacher)) / (2 * step)
    return gradient


FULL_VOCABULARY = {
    "reverse_kl": (reverse_kl, enumerated_reverse_kl),
    "forward_kl": (forward_kl, enumerated_forward_kl),
    **{f"jsd({beta})": (partial(jsd, beta=beta), enumerated_jsd(beta)) for beta in (0.05, 0.5, 0.9)},
}


@pytest.mark.parametrize("name", FULL_VOCABULARY)
def test_full_vocabulary_losses_and_gradients_are_those_of_enumeration(name: str) -> None:
    loss, value = FULL_VOCABULARY[name]
    student, teacher = logits(0), logits(1)
    student_BTV = torch.tensor(student, dtype=torch.float32, requires_grad=True)
    teacher_BTV = torch.tensor(teacher, dtype=torch.float32, requires_grad=True)
    loss_BT = loss(between(student_BTV, teacher_BTV))
    weight_BT = torch.arange(1.0, B * T + 1).view(B, T)  # a gradient that leaks to another position shows
    (loss_BT * weight_BT).sum().backward()
    assert student_BTV.grad is not None
    assert teacher_BTV.grad is None, "the teacher is not trained"
    for b in range(B):
        for t in range(T):
            assert loss_BT[b, t].item() == pytest.approx(value(student[b, t], teacher[b, t]), abs=2e-6)
            expected = float(weight_BT[b, t]) * differentiated(value, student[b, t], teacher[b, t])
            np.testing.assert_allclose(student_BTV.grad[b, t].numpy(), expected, atol=5e-6)


@pytest.mark.parametrize("name", FULL_VOCABULARY)
def test_equal_student_and_teacher_have_neither_loss_nor_gradient(name: str) -> None:
    student_BTV = torch.tensor(logits(2), dtype=torch.float32, requires_grad=True)
    loss_BT = FULL_VOCABULARY[name][0](between(student_BTV, student_BTV.detach() + 3.0))  # a constant changes nothing
    loss_BT.sum().backward()
    assert student_BTV.grad is not None
    assert loss_BT.abs().max().item() < 2e-6
    assert student_BTV.grad.abs().max().item() < 2e-6


@pytest.mark.parametrize("name", FULL_VOCABULARY)
def test_losses_of_bfloat16_logits_are_computed_in_float32(name: str) -> None:
    student, teacher = (torch.tensor(logits(seed), dtype=torch.bfloat16) for seed in (3, 4))
    loss, value = FULL_VOCABULARY[name]
    found = loss(between(student, teacher))
    assert found.dtype == torch.float32
    expected = value(student[1, 2].double().numpy(), teacher[1, 2].double().numpy())
    assert found[1, 2].item() == pytest.approx(expected, abs=2e-6)


def test_a_token_that_the_teacher_rules_out_costs_nothing_in_forward_kl() -> None:
    student, teacher = logits(5, (1, 1, V)), logits(6, (1, 1, V))
    teacher[0, 0, 2] = -np.inf
    student_BTV = torch.tensor(student, dtype=torch.float32, requires_grad=True)
    loss_BT = forward_kl(between(student_BTV, torch.tensor(teacher, dtype=torch.float32)))
    loss_BT.sum().backward()
    p_teacher, p_student = softmax(teacher[0, 0]), softmax(student[0, 0])
    assert loss_BT.item() == pytest.approx(kl(p_teacher, p_student), abs=2e-6)
    assert student_BTV.grad is not None
    expected = np.array(p_student) - np.array(p_teacher)  # cross-entropy's gradient
    np.testing.assert_allclose(student_BTV.grad[0, 0].numpy(), expected, atol=2e-6)


@pytest.mark.parametrize("name", FULL_VOCABULARY)
@pytest.mark.parametrize("broken", ["student", "teacher"])
def test_a_loss_of_broken_logits_is_not_a_number_rather_than_zero(name: str, broken: str) -> None:
    values = {"student": torch.tensor(logits(7)), "teacher": torch.tensor(logits(8))}
    values[broken][0, 1] = torch.nan
    loss_BT = FULL_VOCABULARY[name][0](between(values["student"], values["teacher"]))
    assert loss_BT[0, 1].isnan()
    assert loss_BT[0, 0].isfinite()


@pytest.mark.parametrize("beta", [0.2, 0.7])
def test_jsd_swaps_sides_with_its_weight_and_stays_below_the_entropy_of_the_mixture(beta: float) -> None:
    student, teacher = (torch.tensor(logits(seed)) for seed in (9, 10))
    there, back = (jsd(between(student, teacher), beta=beta), jsd(between(teacher, student), beta=1 - beta))
    torch.testing.assert_close(there, back, atol=1e-6, rtol=0)
    assert there.max().item() <= -beta * math.log(beta) - (1 - beta) * math.log(1 - beta)


def sampled_gradient(student: Array, teacher: Array, sampler: Array, cap: float) -> tuple[Array, Array]:
    """Value (V,) and gradient (V, V) of `sampled` at one position for each token that could have been drawn."""
    values, gradients = [], []
    for token in range(V):
        leaf = torch.tensor(student[None, None], dtype=torch.float32, requires_grad=True)
        tokens = torch.tensor([[token]])
        teacher_BT, sampler_BT = (
            token_logprobs(torch.tensor(other[None, None], dtype=torch.float32), tokens) for other in (teacher, sampler)
        )
        loss = sampled(of_tokens(token_logprobs(leaf, tokens), teacher_BT, sampler_BT), importance_cap=cap)
        loss.sum().backward()
        assert leaf.grad is not None
        values.append(loss.item())
        gradients.append(leaf.grad[0, 0].double().numpy())
    return np.array(values), np.stack(gradients)


def test_the_sampled_loss_follows_reverse_kl_in_expectation_over_the_students_tokens() -> None:
    student, teacher = logits(11)[0, 0], logits(12)[0, 0]
    _, gradients = sampled_gradient(student, teacher, student, UNCAPPED)
    expected = differentiated(enumerated_reverse_kl, student, teacher)
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(np.array(softmax(student)) @ gradients, expected, atol=5e-6)


def test_importance_weights_keep_the_expectation_when_another_model_drew_the_tokens() -> None:
    student, teacher, sampler = logits(13)[0, 0], logits(14)[0, 0], logits(15)[0, 0]
    _, gradients = sampled_gradient(student, teacher, sampler, UNCAPPED)
    expected = differentiated(enumerated_reverse_kl, student, teacher)
    np.testing.assert_allclose(np.array(softmax(sampler)) @ gradients, expected, atol=1e-5)


@pytest.mark.parametrize("cap", [1.0, 1.5, 5.0])
def test_the_sampled_loss_is_the_capped_weight_times_the_advantage_times_the_log_probability(cap: float) -> None:
    student, teacher, sampler = logits(16)[0, 0], logits(17)[0, 0], logits(18)[0, 0]
    values, gradients = sampled_gradient(student, teacher, sampler, cap)
    p, q, o = softmax(student), softmax(teacher), softmax(sampler)
    ratios = [a / b for a, b in zip(p, o, strict=True)]
    assert min(ratios) < 1 < max(ratios), "both sides of 1 are looked at"
    for token in range(V):
        scale = -min(ratios[token], cap) * (math.log(q[token]) - math.log(p[token]))
        assert values[token] == pytest.approx(scale * math.log(p[token]), rel=1e-4, abs=1e-5)
        score = np.eye(V)[token] - np.array(p)  # ∂ log π(token) / ∂ logits
        np.testing.assert_allclose(gradients[token], scale * score, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strength", [0.5, 1.0, 1.25, 3.0])
def test_exopd_follows_in_expectation_the_divergence_from_an_aim_beyond_the_teacher(strength: float) -> None:
    """Σ_v π_S (log π_S − λ log π_T + (λ − 1) log π_ref), which is KL(π_S ‖ π_T) at λ = 1."""
    student, teacher, reference = (logits(seed)[0, 0] for seed in (21, 22, 23))

    def value(student: Array, teacher: Array) -> float:
        p, q, r = softmax(student), softmax(teacher), softmax(reference)
        return math.fsum(
            a * (math.log(a) - strength * math.log(b) + (strength - 1) * math.log(c))
            for a, b, c in zip(p, q, r, strict=True)
        )

    gradients = []
    for token in range(V):
        leaf = torch.tensor(student, requires_grad=True)
        chosen, aimed, start = (
            other.log_softmax(-1)[token] for other in (leaf, torch.tensor(teacher), torch.tensor(reference))
        )
        seen = of_tokens(chosen, aimed, chosen.detach(), start)
        exopd(seen, strength=strength, importance_cap=UNCAPPED).backward()
        assert leaf.grad is not None
        gradients.append(leaf.grad.numpy())
    expected = differentiated(value, student, teacher)
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(np.array(softmax(student)) @ np.stack(gradients), expected, atol=1e-8)


def test_equal_student_and_teacher_leave_the_sampled_loss_without_a_gradient() -> None:
    student = logits(19)[0, 0]
    values, gradients = sampled_gradient(student, student + 2.0, student, 5.0)
    assert np.abs(values).max() < 2e-6 and np.abs(gradients).max() < 2e-6


def test_masked_tokens_give_neither_loss_nor_gradient_whatever_stands_there() -> None:
    values_BT = torch.tensor([[1.0, 2.0, math.nan], [3.0, math.inf, -math.inf]], requires_grad=True)
    mask_BT = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    total = masked_sum(values_BT, mask_BT)
    total.backward()
    assert total.item() == 6.0
    assert values_BT.grad is not None and values_BT.grad.equal(mask_BT)
    assert sequence_mean(values_BT.detach(), mask_BT).tolist() == [1.5, 3.0]


def test_padding_leaves_a_sum_over_tokens_alone() -> None:
    values_BT, mask_BT = torch.tensor(logits(20)[..., 0]), torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    padded_BT = torch.cat([values_BT, torch.full((B, 4), math.nan)], dim=-1)
    wide_BT = torch.cat([mask_BT, torch.zeros(B, 4)], dim=-1)
    assert masked_sum(padded_BT, wide_BT).item() == masked_sum(values_BT, mask_BT).item()
    assert sequence_mean(padded_BT, wide_BT).equal(sequence_mean(values_BT, mask_BT))


def test_log_probabilities_and_entropy_are_those_of_enumeration() -> None:
    values = logits(21) * 4
    values_BTV = torch.tensor(values, dtype=torch.float32)
    tokens_BT = torch.tensor([[0, 4, 2], [3, 3, 1]])
    found, entropies = token_logprobs(values_BTV, tokens_BT), entropy(values_BTV)
    for b in range(B):
        for t in range(T):
            p = softmax(values[b, t])
            assert found[b, t].item() == pytest.approx(math.log(p[tokens_BT[b, t]]), abs=5e-6)
            assert entropies[b, t].item() == pytest.approx(-sum(x * math.log(x) for x in p), abs=5e-6)
    assert entropy(torch.zeros(1, 1, V)).item() == pytest.approx(math.log(V))


def test_advantages_are_standard_scores_within_each_group_alone() -> None:
    rewards = [[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0], [0.25, 0.5, 1.0, 0.0]]
    found = group_advantages(torch.tensor(rewards))
    for group, row in zip(rewards, found.tolist(), strict=True):
        mean = math.fsum(group) / 4
        deviation = math.sqrt(math.fsum((r - mean) ** 2 for r in group) / 4)
        assert row == pytest.approx([(r - mean) / deviation for r in group], rel=1e-4)


@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_a_group_of_equals_has_no_advantage(reward: float) -> None:
    assert group_advantages(torch.full((2, 5), reward)).eq(0).all()


def policy_gradient_value(ratio: float, advantage: float, clip: float) -> float:
    return -min(ratio * advantage, min(max(ratio, 1 - clip), 1 + clip) * advantage)


@pytest.mark.parametrize("advantage", [2.0, -0.5])
@pytest.mark.parametrize("high", [0.2, 0.28])
@pytest.mark.parametrize("ratio", [0.5, 0.79, 0.81, 1.0, 1.19, 1.21, 1.29, 3.0])
def test_the_clipped_surrogate_stops_pulling_beyond_the_clip_on_the_side_that_gains(
    ratio: float, advantage: float, high: float
) -> None:
    policy_BT = torch.tensor([[math.log(ratio) - 1.3]], requires_grad=True)
    loss_BT = clipped_surrogate(policy_BT, torch.tensor([[-1.3]]), torch.tensor([[advantage]]), 0.2, high)
    loss_BT.sum().backward()
    is_clipped = ratio > 1 + high if advantage > 0 else ratio < 0.8
    held = (1 + high if advantage > 0 else 0.8) if is_clipped else ratio
    assert loss_BT.item() == pytest.approx(-held * advantage, rel=1e-5)
    assert policy_BT.grad is not None
    assert policy_BT.grad.item() == pytest.approx(0.0 if is_clipped else -ratio * advantage, rel=1e-5)


def test_each_completion_is_weighed_by_its_own_advantage() -> None:
    policy_BT, old_BT = torch.tensor(logits(22, (3, 2))) * 0.1, torch.tensor(logits(23, (3, 2))) * 0.1
    advantages = [1.0, -2.0, 0.5]
    advantages_B1 = torch.tensor(advantages, dtype=torch.float64)[:, None]
    found = clipped_surrogate(policy_BT, old_BT, advantages_B1, 0.1, 0.1)
    for b in range(3):
        for t in range(2):
            ratio = math.exp(policy_BT[b, t] - old_BT[b, t])
            assert found[b, t].item() == pytest.approx(policy_gradient_value(ratio, advantages[b], 0.1))


def test_the_kl_estimate_is_unbiased_and_never_negative() -> None:
    policy, reference = logits(24)[0, 0], logits(25)[0, 0]
    log_policy, log_reference = (np.log(softmax(row)) for row in (policy, reference))
    estimates = reference_kl(torch.tensor(log_policy), torch.tensor(log_reference)).numpy()
    assert (estimates >= 0).all()
    assert np.array(softmax(policy)) @ estimates == pytest.approx(kl(softmax(policy), softmax(reference)), rel=1e-9)
    assert reference_kl(torch.tensor(log_policy), torch.tensor(log_policy)).eq(0).all()


def test_the_kl_estimate_pulls_the_policy_towards_the_reference() -> None:
    policy_BT: Tensor = torch.tensor([[-1.0, -1.0]], requires_grad=True)
    reference_kl(policy_BT, torch.tensor([[-2.0, -0.5]])).sum().backward()
    assert policy_BT.grad is not None
    assert policy_BT.grad[0].tolist() == pytest.approx([1 - math.exp(-1.0), 1 - math.exp(0.5)])


def test_a_token_that_the_teacher_all_but_rules_out_pulls_no_harder_than_the_cap() -> None:
    """A server says -9999 for minus infinity. The gradient is that of enumeration, with the teacher at the cap."""
    cap, chosen = 5.0, torch.tensor([1])
    start_V = torch.tensor([[0.4, 0.1, -0.3]])
    teacher_V = torch.tensor([[-0.5, -9999.0, -0.9]])
    probabilities_V = start_V.double().softmax(-1)
    ratio_V = start_V.double().log_softmax(-1) - teacher_V.double().log_softmax(-1)
    ratio_V[0, 1] = cap
    expected = {
        "sampled": cap * (torch.eye(3)[chosen] - probabilities_V),
        "exopd": cap * (torch.eye(3)[chosen] - probabilities_V),
        "reverse_kl": probabilities_V * (ratio_V - (probabilities_V * ratio_V).sum()),
    }
    losses = {
        "sampled": partial(sampled, importance_cap=UNCAPPED),
        "exopd": partial(exopd, strength=1.25, importance_cap=UNCAPPED),
        "reverse_kl": reverse_kl,
    }
    for name, loss in losses.items():
        logits_V = start_V.clone().requires_grad_()
        student = token_logprobs(logits_V, chosen)
        told = teacher_V[:, 1]
        seen = Seen(logits_V, teacher_V, chosen, student, student.detach(), student.detach(), told, cap)
        (gradient,) = torch.autograd.grad(loss(seen).sum(), logits_V)
        torch.testing.assert_close(gradient, expected[name].float(), rtol=1e-5, atol=1e-6)


def test_a_cap_that_no_token_meets_changes_no_bit() -> None:
    student_V, teacher_V = (torch.tensor(logits(seed), dtype=torch.float32) for seed in (1, 2))
    for loss in (reverse_kl, forward_kl, partial(jsd, beta=0.3)):
        seen = between(student_V, teacher_V)
        assert loss(replace(seen, log_ratio_cap=20.0)).equal(loss(seen))
