"""The spectrum of an update in passing: exact where the matrix is small, a randomised sketch where it is not.

A decomposition takes time in proportion to the cube of a matrix's shorter side, a sketch to its size.

- Leading singular vectors: a randomised range finder with power iterations (Halko, Martinsson & Tropp 2011).
- Effective rank: exp(log S − E / S) with S = Σσ and E = Σσ log σ. The leading singular values are known from the first
  part; the others' sums are traces of functions of what is left of ΔWΔWᵀ, by stochastic Lanczos quadrature (Ubaru, Chen
  & Saad 2017) over the same probes (as in Hutch++; Meyer et al. 2021). Its error is that over the probes, and what the
  second half of the Lanczos steps has changed: spectra that fall off steeply need more of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from effopd.spectral.decomposition import decompose

TOP_K = 4
EXACT_UP_TO = 1024
"""The longest shorter side of a matrix that is decomposed, which takes up to two seconds there on one core."""
PROBES = 4
LANCZOS_STEPS = 64
_LEADING, _SPARE, _POWERS = 12, 8, 2
_NOTHING = torch.finfo(torch.float32).eps
"""A length that is rounding, in an update of norm 1."""


@dataclass(frozen=True)
class Sketch:
    """An update ΔW (M, N) as it is seen in passing.

    norm: ‖ΔW‖_F, exact. effective_rank_error: the error to be expected of effective_rank, 0 where it is exact.
    left_MK: leading left singular vectors in float32 on the CPU, at most as many as ΔW has directions.
    """

    norm: float
    effective_rank: float
    effective_rank_error: float
    left_MK: Tensor


def sketch(update_MN: Tensor, seed: int, exact_up_to: int = EXACT_UP_TO) -> Sketch | None:
    """None for an update that has no direction: zero, or not finite. seed: of the probes.

    The work is done where the update is.
    """
    norm = float(torch.linalg.vector_norm(update_MN, dtype=torch.float64))
    if norm == 0 or not math.isfinite(norm):
        return None
    if min(update_MN.shape) <= exact_up_to:
        found = decompose(update_MN, TOP_K)
        share_R = found.singular_values / found.singular_values.sum()
        rank = math.exp(float(torch.special.entr(share_R).sum()))
        return Sketch(norm, rank, 0.0, found.left.float())
    unit_MN = update_MN.detach().float() / norm
    draws = torch.Generator(unit_MN.device).manual_seed(seed)
    left_MK, values_K = _leading(unit_MN, draws)
    rest_MN = unit_MN - left_MK @ (left_MK.T @ unit_MN)
    return Sketch(norm, *_effective_rank(values_K.double().cpu(), rest_MN, draws), left_MK[:, :TOP_K].cpu())


def _leading(update_MN: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """The leading left singular vectors and their values."""
    columns = min(_LEADING + _SPARE, *update_MN.shape)
    range_MC = update_MN @ _normal(update_MN, (update_MN.shape[1], columns), draws)
    for _ in range(_POWERS):
        range_NC = torch.linalg.qr(update_MN.T @ torch.linalg.qr(range_MC).Q).Q
        range_MC = update_MN @ range_NC
    basis_MC = torch.linalg.qr(range_MC).Q
    inner_CC, values_C, _ = torch.linalg.svd(basis_MC.T @ update_MN, full_matrices=False)
    kept = int((values_C[:_LEADING] > max(update_MN.shape) * _NOTHING * values_C[0]).sum())
    return basis_MC @ inner_CC[:, :kept], values_C[:kept]


def _effective_rank(values_K: Tensor, rest_MN: Tensor, draws: torch.Generator) -> tuple[float, float]:
    """An estimate and its error. values_K: the leading singular values, of which `rest_MN` is free."""
    short_RL = rest_MN if rest_MN.shape[0] <= rest_MN.shape[1] else rest_MN.T
    bidiagonal_PJJ = _bidiagonal(short_RL, draws)
    half = bidiagonal_PJJ.shape[-1] // 2
    rank, scatter = _quadrature(values_K, bidiagonal_PJJ, len(short_RL))
    before, _ = _quadrature(values_K, bidiagonal_PJJ[:, :half, :half], len(short_RL))
    return rank, math.hypot(scatter, rank - before)


def _quadrature(values_K: Tensor, bidiagonal_PJJ: Tensor, rows: int) -> tuple[float, float]:
    """The effective rank, and the standard error over probes. For f(0) = 0 each has an estimate of the sum of f(σ)."""
    inner_PJJ, values_PJ, _ = torch.linalg.svd(bidiagonal_PJJ)
    weights_PJ = rows * inner_PJJ[:, 0].square()
    sums_P = values_K.sum() + (weights_PJ * values_PJ).sum(-1)  # of S, and of E
    entropies_P = -torch.special.entr(values_K).sum() - (weights_PJ * torch.special.entr(values_PJ)).sum(-1)
    total, entropy = sums_P.mean(), entropies_P.mean()
    rank = math.exp(float(total.log() - entropy / total))
    influence_P = (1 / total + entropy / total**2) * sums_P - entropies_P / total  # of a probe on the logarithm
    return rank, rank * float(influence_P.std()) / math.sqrt(len(sums_P))


def _bidiagonal(update_RL: Tensor, draws: torch.Generator) -> Tensor:
    """Golub–Kahan bidiagonalisation from all probes at once, with full reorthogonalisation; float64, on the CPU.

    The probes are orthonormal, each for itself uniform on the sphere.
    """
    rows, steps = len(update_RL), min(LANCZOS_STEPS, len(update_RL))
    left_RP = torch.linalg.qr(_normal(update_RL, (rows, PROBES), draws)).Q
    lefts, rights, alphas, betas = [left_RP], list[Tensor](), list[Tensor](), list[Tensor]()
    for _ in range(steps):
        right_LP = update_RL.T @ lefts[-1]
        if rights:
            right_LP = _apart(right_LP - betas[-1] * rights[-1], rights)
        right_LP, alpha_P = _unit(right_LP)
        left_RP, beta_P = _unit(_apart(update_RL @ right_LP - alpha_P * lefts[-1], lefts))
        rights.append(right_LP)
        lefts.append(left_RP)
        alphas.append(alpha_P)
        betas.append(beta_P)
    diagonal_PJ, below_PJ = (torch.stack(numbers, dim=1).double().cpu() for numbers in (alphas, betas))
    return torch.diag_embed(diagonal_PJ) + torch.diag_embed(below_PJ[:, :-1], offset=-1)


def _unit(vectors_RP: Tensor) -> tuple[Tensor, Tensor]:
    """Each column at length 1, and how long it was; zero where that is rounding, with which a probe is exhausted."""
    lengths_P = vectors_RP.norm(dim=0)
    lengths_P = torch.where(lengths_P > _NOTHING, lengths_P, 0)
    return torch.where(lengths_P > 0, vectors_RP / lengths_P, 0), lengths_P


def _apart(vectors_RP: Tensor, earlier: list[Tensor]) -> Tensor:
    """What is left of each probe's vector beside those before it."""
    basis_PRJ = torch.stack(earlier, dim=-1).transpose(0, 1)
    rest_PR1 = vectors_RP.T[..., None]
    return (rest_PR1 - basis_PRJ @ (basis_PRJ.mT @ rest_PR1))[..., 0].T


def _normal(like: Tensor, shape: tuple[int, int], draws: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=draws, device=like.device, dtype=like.dtype)
