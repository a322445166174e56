"""Fixed extrapolation: a run's final weights, predicted from its first checkpoints without validation (METHOD §3).

`observed` is a run's first checkpoints after the base, whole models by step, ascending. No method is told of later
weights; `alpha_opd` alone is told of an accuracy that training reaches later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor

from effopd.files import DataError
from effopd.interventions.scaling import alpha_scaling
from effopd.interventions.weights import add_update, checked_pairs
from effopd.spectral.decomposition import decompose
from effopd.spectral.modules import weight_matrices
from effopd.spectral.updates import weight_update

Extrapolation = Literal["observed", "linear", "relex", "alpha_opd"]
Weights = Mapping[str, Tensor]

_ROUNDING = 1e-12  # relative: what is smaller in float64 says nothing


def predictions(
    base: Weights, observed: Mapping[int, Weights], final_step: int, accuracies: Mapping[int, float]
) -> Iterator[tuple[Extrapolation, dict[str, Tensor]]]:
    """The last observed checkpoint as it is, then what each method predicts for `final_step`.

    accuracies: on training prompts, by the step of the weights; the last of them is what `alpha_opd` aims at, rather
    than 1, which few tasks allow. From one checkpoint there is no line to fit: only `linear` predicts.
    """
    last_step = max(observed)
    yield "observed", alpha_scaling(base, observed[last_step], 1.0)
    yield "linear", linear(base, observed[last_step], last_step, final_step)
    if len(observed) > 1:
        yield "relex", relex(base, observed, final_step)
        yield "alpha_opd", alpha_opd(base, observed, accuracies, target=accuracies[max(accuracies)])


def linear(base: Weights, observed: Weights, step: int, final_step: int) -> dict[str, Tensor]:
    """θ_0 + (t*/t)(θ_t − θ_0) for every parameter (RLVR-Linearity, arXiv 2601.04537).

    ExPO's θ_t + α(θ_t − θ_0) (arXiv 2404.16792) is the same line, with α = t*/t − 1.
    """
    return alpha_scaling(base, observed, final_step / step)


def relex(base: Weights, observed: Mapping[int, Weights], final_step: int) -> dict[str, Tensor]:
    """Each update's leading direction over the checkpoints, its coefficient on a line in t (RELEX, arXiv 2605.21468).

    The stacked updates M (T checkpoints, P entries) have the component σ u vᵀ; the coefficients σ u (T) are fitted by
    least squares with an intercept, and the update at t* is the line's value there times v. Every parameter alike, as
    in the released code: M is a matrix whatever the parameter's shape. What did not move stays.
    Raises `DataError` for fewer than two checkpoints.
    """
    _check_several(observed, "relex")
    steps_T = torch.tensor(list(observed), dtype=torch.float64)
    predicted = {}
    for pairs in zip(*(checked_pairs(base, weights) for weights in observed.values()), strict=True):
        name, before, _ = pairs[0]
        updates_TP = torch.stack([(after.double() - before.double()).flatten() for _, before, after in pairs])
        _, vectors_TT = torch.linalg.eigh(updates_TP @ updates_TP.T)  # the Gram matrix: T is small, P is not
        left_T = vectors_TT[:, -1]
        update_P = (left_T @ updates_TP) * _line_at(steps_T, left_T, final_step)  # uᵀM = σ vᵀ
        predicted[name] = add_update(before, update_P.reshape(before.shape))
    return predicted


def alpha_opd(
    base: Weights, observed: Mapping[int, Weights], accuracies: Mapping[int, float], target: float
) -> dict[str, Tensor]:
    """ΔW = a* v_1ᵀ, where a_t = σ_1 u_1 of ΔW_t is regressed with accuracy and solved for `target`.

    AlphaRL (arXiv 2510.00553) applied to distillation. For attention and MLP matrices: a_t (T checkpoints, M rows)
    with the signs of the last one, v_1 of the last checkpoint, `pls_input` for the regression. As in the released
    code, other parameters, which have no such component, are those of the last checkpoint. So are matrices that
    accuracy says nothing of, and all of them when it does not vary.
    accuracies: of the observed weights, by step; never of the test problems.
    Raises `DataError` for fewer than two checkpoints, and for one without an accuracy.
    """
    _check_several(observed, "alpha_opd")
    if missing := observed.keys() - accuracies.keys():
        raise DataError(f"alpha_opd needs the accuracy of every observed checkpoint: step {min(missing)} has none")
    accuracies_T = torch.tensor([accuracies[step] for step in observed], dtype=torch.float64)
    predicted = alpha_scaling(base, observed[max(observed)], 1.0)
    for matrix in weight_matrices({name: weight.shape for name, weight in base.items()}):
        before = matrix.of(base)
        found = [decompose(weight_update(matrix.name, before, matrix.of(w)), top_k=1) for w in observed.values()]
        if found[-1].is_zero:
            continue
        scaled_TM = torch.stack([(one.left * one.singular_values[: one.left.shape[1]]).sum(dim=1) for one in found])
        signs_T = torch.where(scaled_TM @ scaled_TM[-1] < 0, -1.0, 1.0)
        solved_M = pls_input(scaled_TM * signs_T[:, None], accuracies_T, target)
        if solved_M is not None:
            update_MN = torch.outer(solved_M, found[-1].right[:, 0]).to(before.device)
            matrix.of(predicted).copy_(add_update(before, update_MN))
    return predicted


def pls_input(inputs_TM: Tensor, outputs_T: Tensor, goal: float) -> Tensor | None:
    """The inputs (M) at which a partial least squares regression of one component gives `goal`; float64.

    Inputs are standardised, as AlphaRL's code does. With X and y centred, w = Xᵀy, scores s = Xw, loadings
    p = Xᵀs / sᵀs and slope sᵀy / sᵀs, the goal lies at p (goal − ȳ) / slope. None when the outputs do not vary, or not
    with the inputs.
    """
    mean_M, spread_M = inputs_TM.mean(dim=0), inputs_TM.std(dim=0)
    scaled_TM = (inputs_TM - mean_M) / torch.where(spread_M > 0, spread_M, 1.0)
    centred_T = outputs_T - outputs_T.mean()
    weights_M = scaled_TM.T @ centred_T
    scores_T = scaled_TM @ weights_M
    length = torch.linalg.vector_norm
    if length(weights_M) <= _ROUNDING * length(scaled_TM) * length(centred_T):
        return None
    steps = (goal - outputs_T.mean()) / (scores_T @ centred_T)
    return mean_M + spread_M * (scaled_TM.T @ scores_T) * steps


def _line_at(steps_T: Tensor, values_T: Tensor, step: float) -> Tensor:
    """The least-squares line through values at steps, at another step."""
    centred_T = steps_T - steps_T.mean()
    slope = (centred_T @ values_T) / (centred_T @ centred_T)
    return values_T.mean() + slope * (step - steps_T.mean())


def _check_several(observed: Mapping[int, Weights], method: str) -> None:
    if len(observed) < 2:
        raise DataError(f"{method} fits a line through observed checkpoints and needs two or more, got {len(observed)}")
