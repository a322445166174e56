"""On-policy distillation losses, per token of a student's own completions (arXiv 2605.11739, section 2; METHOD §1).

Each returns (B, T); a training loop takes the mean over all unmasked tokens of a step. Gradients flow into the student
alone. Zero when student and teacher agree, for every loss but the value of `sampled`, whose *gradient* is then zero.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sampled(student_BT: Tensor, teacher_BT: Tensor, sampler_BT: Tensor, importance_cap: float) -> Tensor:
    """Policy gradient on the sampled tokens: −w · A · log π_S(y) with A = log π_T(y) − log π_S(y), detached.

    student_BT, teacher_BT, sampler_BT: log-probabilities of the sampled tokens under the student as it is trained, the
    teacher, and the model that sampled them. w = min(π_S / π_sampler, importance_cap), detached, corrects a sampler
    that disagrees with the trainer. Its expectation over the student's samples is the gradient of `reverse_kl`.
    """
    advantage_BT = (teacher_BT - student_BT).detach()
    weight_BT = (student_BT - sampler_BT).detach().exp().clamp(max=importance_cap)
    return -weight_BT * advantage_BT * student_BT


def beyond(teacher_BT: Tensor, reference_BT: Tensor, strength: float) -> Tensor:
    """ExOPD's aim: log π_T + (λ − 1) (log π_T − log π_ref), in place of log π_T in `sampled` (arXiv 2602.12125).

    From log-probabilities of the sampled tokens; the reference is the student before training. λ = `strength`; 1 is the
    teacher itself.
    """
    return teacher_BT + (strength - 1) * (teacher_BT - reference_BT)


def reverse_kl(student_BTV: Tensor, teacher_BTV: Tensor) -> Tensor:
    """KL(π_S ‖ π_T) = Σ_v π_S (log π_S − log π_T), from logits over the same vocabulary."""
    student_BTV, teacher_BTV = _log_softmax(student_BTV, teacher_BTV)
    return _kl(student_BTV, teacher_BTV)


def forward_kl(student_BTV: Tensor, teacher_BTV: Tensor) -> Tensor:
    """KL(π_T ‖ π_S) = Σ_v π_T (log π_T − log π_S), from logits over the same vocabulary."""
    student_BTV, teacher_BTV = _log_softmax(student_BTV, teacher_BTV)
    return _kl(teacher_BTV, student_BTV)


def jsd(student_BTV: Tensor, teacher_BTV: Tensor, beta: float) -> Tensor:
    """Generalised Jensen–Shannon divergence β KL(π_T ‖ m) + (1 − β) KL(π_S ‖ m), m = β π_T + (1 − β) π_S.

    From logits over the same vocabulary, 0 < β < 1; symmetric at β = ½ (GKD, arXiv 2306.13649, equation 1).
    """
    student_BTV, teacher_BTV = _log_softmax(student_BTV, teacher_BTV)
    mixture_BTV = torch.logaddexp(teacher_BTV + math.log(beta), student_BTV + math.log1p(-beta))
    return beta * _kl(teacher_BTV, mixture_BTV) + (1 - beta) * _kl(student_BTV, mixture_BTV)


def _log_softmax(student_BTV: Tensor, teacher_BTV: Tensor) -> tuple[Tensor, Tensor]:
    return student_BTV.float().log_softmax(-1), teacher_BTV.float().log_softmax(-1).detach()


def _kl(p_BTV: Tensor, q_BTV: Tensor) -> Tensor:
    """KL(p ‖ q) from log-probabilities; a token that p rules out contributes nothing."""
    terms_BTV = p_BTV.exp() * (p_BTV - q_BTV)
    return terms_BTV.where(p_BTV != -torch.inf, 0.0).sum(-1)
