"""Fixed extrapolation on planted trajectories, and against second implementations in numpy and float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_interventions import EMBEDDING, HEAD, UP, model, same_bits
from torch import Tensor

from effopd.files import DataError
from effopd.interventions.extrapolation import alpha_opd, linear, pls_input, predictions, relex
from effopd.spectral.modules import weight_matrices

Weights = dict[str, Tensor]
Array = NDArray[np.float64]
STEPS = (1, 2, 3, 6, 8)
FINAL = 80
MATRICES = {matrix.name for matrix in weight_matrices({name: weight.shape for name, weight in model(0).items()})}


@pytest.fixture
def base() -> Weights:
    return model(0, dtype=torch.float64)


def moved(base: Weights, direction: Weights, length: float) -> Weights:
    return {name: weight + length * direction[name] for name, weight in base.items()}


def noisy(base: Weights, noise: float) -> dict[int, Weights]:
    """Updates that grow along one direction, of rank one where they are matrices, and noise at every step."""
    direction = rank_one(base, 1)
    return {
        step: {
            name: weight + model(50 + step, noise, torch.float64)[name]
            for name, weight in moved(base, direction, 0.02 * step).items()
        }
        for step in STEPS
    }


def rank_one(base: Weights, seed: int) -> Weights:
    """A direction for every parameter, with the entries of u apart in size."""
    found = model(seed, dtype=torch.float64)
    for name in MATRICES:
        left, right = found[name][:, 0], found[name][0]
        found[name] = torch.outer(left / left.norm(), right / right.norm())
    return found


def close(found: Weights, expected: Weights, tolerance: float = 1e-10) -> None:
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, atol=tolerance, rtol=0, msg=lambda text, n=name: f"{n}: {text}")


def delta(base: Weights, weights: Weights, name: str) -> Array:
    found: Array = weights[name].double().numpy() - base[name].double().numpy()
    return found


def test_a_straight_trajectory_is_continued_exactly(base: Weights) -> None:
    direction = model(1, dtype=torch.float64)
    observed = {step: moved(base, direction, 0.02 * step) for step in STEPS}
    truth = moved(base, direction, 0.02 * FINAL)
    close(linear(base, observed[8], 8, FINAL), truth)
    close(relex(base, observed, FINAL), truth)


def test_relex_fits_an_intercept_which_a_line_through_the_base_has_not(base: Weights) -> None:
    direction = model(1, dtype=torch.float64)
    observed = {step: moved(base, direction, 0.3 + 0.02 * step) for step in STEPS}
    truth = moved(base, direction, 0.3 + 0.02 * FINAL)
    close(relex(base, observed, FINAL), truth)
    ahead = delta(base, linear(base, observed[8], 8, FINAL), UP) - delta(base, truth, UP)
    np.testing.assert_allclose(ahead, 2.7 * direction[UP].numpy(), atol=1e-10)  # 0.3 · (80 / 8 − 1)


def test_expo_is_the_line_at_another_parameter(base: Weights) -> None:
    observed = moved(base, model(1, dtype=torch.float64), 0.1)
    alpha = FINAL / 8 - 1
    expo = {name: weight + alpha * (weight - base[name]) for name, weight in observed.items()}
    close(linear(base, observed, 8, FINAL), expo)


def test_relex_agrees_with_the_svd_of_the_stacked_updates(base: Weights) -> None:
    observed = noisy(base, 0.02)
    found = relex(base, observed, FINAL)
    for name in base:
        stacked_TP = np.stack([delta(base, weights, name).ravel() for weights in observed.values()])
        left, values, right = np.linalg.svd(stacked_TP, full_matrices=False)
        assert values[1] > 0.05 * values[0]  # so that other components would be seen
        expected = np.polyval(np.polyfit(STEPS, values[0] * left[:, 0], 1), FINAL) * right[0]
        np.testing.assert_allclose(delta(base, found, name).ravel(), expected, atol=1e-8, err_msg=name)


def second_pls(inputs_TM: Array, outputs_T: Array, goal: float) -> Array:
    """One component: the direction of largest covariance, then three regressions on its scores."""
    mean, spread = inputs_TM.mean(0), inputs_TM.std(0, ddof=1)
    scaled, centred = (inputs_TM - mean) / spread, (outputs_T - outputs_T.mean())[:, None]
    left, _, _ = np.linalg.svd(scaled.T @ centred, full_matrices=False)
    scores = scaled @ left[:, :1]
    loadings = np.linalg.lstsq(scores, scaled, rcond=None)[0][0]
    slope = np.linalg.lstsq(scores, centred, rcond=None)[0].item()
    found: Array = mean + spread * loadings * (goal - outputs_T.mean()) / slope
    return found


@pytest.mark.parametrize("seed", range(5))
def test_pls_agrees_with_regressions_on_the_direction_of_largest_covariance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(6, 9)) * rng.uniform(0.01, 10, 9) + rng.normal(size=9)
    outputs = rng.uniform(0.3, 0.6, 6)
    found = pls_input(torch.from_numpy(inputs), torch.from_numpy(outputs), 0.9)
    assert found is not None
    np.testing.assert_allclose(found.numpy(), second_pls(inputs, outputs, 0.9), rtol=1e-9, atol=1e-9)


def test_pls_solves_a_line_and_leaves_inputs_that_do_not_vary() -> None:
    outputs = torch.tensor([0.1, 0.2, 0.5], dtype=torch.float64)
    rounded = torch.tensor([1e-17, -1e-17, 2e-17], dtype=torch.float64)
    inputs = torch.stack([3 * outputs, 1 - outputs, torch.full_like(outputs, 7.1), rounded], dim=1)
    found = pls_input(inputs, outputs, 0.9)
    torch.testing.assert_close(found, torch.tensor([2.7, 0.1, 7.1, 0.0], dtype=torch.float64))


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([[1.0, 2.0], [2.0, 1.0], [0.5, 0.1]], [0.1, 0.1, 0.1]),  # whose float64 mean is not 0.1
        ([[0.1, 0.7], [0.1, 0.7], [0.1, 0.7]], [0.1, 0.2, 0.4]),
        ([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]], [0.1, 0.2, 0.4]),
        ([[1.0, 3.0], [2.0, 1.0], [1.0, 3.0]], [0.1, 0.2, 0.3]),
    ],
    ids=["constant outputs", "constant inputs", "zero inputs", "uncorrelated"],
)
def test_pls_has_no_answer_where_nothing_goes_together(inputs: list[list[float]], outputs: list[float]) -> None:
    inputs_TM, outputs_T = (torch.tensor(values, dtype=torch.float64) for values in (inputs, outputs))
    assert pls_input(inputs_TM, outputs_T, 0.9) is None


def test_alpha_opd_finds_a_planted_update_where_accuracy_grows_with_it(base: Weights) -> None:
    direction = rank_one(base, 1)
    lengths = dict(zip(STEPS, (0.1, 0.3, 0.2, 0.5, 0.6), strict=True))
    observed = {step: moved(base, direction, length) for step, length in lengths.items()}
    accuracies = {step: 0.3 + 0.25 * length for step, length in lengths.items()}
    found = alpha_opd(base, observed, accuracies, target=0.3 + 0.25 * 2.4)
    final = moved(base, direction, 2.4)
    close(found, {name: (final if name in MATRICES else observed[8])[name] for name in base}, 1e-8)


def test_alpha_opd_agrees_with_a_second_implementation_on_noisy_updates(base: Weights) -> None:
    observed = noisy(base, 0.005)
    accuracies = dict(zip(STEPS, (0.31, 0.30, 0.36, 0.41, 0.45), strict=True))
    found = alpha_opd(base, observed, accuracies, target=0.9)
    for name in MATRICES:
        parts = [np.linalg.svd(delta(base, weights, name), full_matrices=False) for weights in observed.values()]
        scaled = [values[0] * left[:, 0] for left, values, _ in parts]
        aligned = np.stack([one * np.sign(one @ scaled[-1]) for one in scaled])
        solved = second_pls(aligned, np.array(list(accuracies.values())), 0.9)
        expected = np.outer(solved, parts[-1][2][0])
        np.testing.assert_allclose(delta(base, found, name), expected, atol=1e-8, err_msg=name)
        assert np.linalg.norm(expected) > 2 * np.linalg.norm(delta(base, observed[8], name))


def test_alpha_opd_aligns_signs_that_a_decomposition_chooses_by_itself() -> None:
    """Two entries of u, of opposite sign, take turns in being the largest, which decides the sign of u."""
    base = {UP: torch.zeros(3, 2, dtype=torch.float64)}
    right = torch.tensor([0.6, 0.8], dtype=torch.float64)
    lengths = dict(zip(STEPS, (1.0, 2.0, 3.0, 4.0, 5.0), strict=True))
    observed = {}
    for number, (step, length) in enumerate(lengths.items()):
        tilt = 1e-6 * (-1) ** number
        left = torch.tensor([0.6 + tilt, -0.6 + tilt, 0.5], dtype=torch.float64)
        observed[step] = {UP: length * torch.outer(left, right)}
    found = alpha_opd(base, observed, {step: 0.1 * length for step, length in lengths.items()}, target=0.9)
    expected = 9 * torch.outer(torch.tensor([0.6, -0.6, 0.5], dtype=torch.float64), right)
    torch.testing.assert_close(found[UP], expected, atol=1e-4, rtol=0)


def test_without_a_relation_to_accuracy_the_last_checkpoint_stays(base: Weights) -> None:
    observed = noisy(base, 0.01)
    assert same_bits(alpha_opd(base, observed, dict.fromkeys(STEPS, 0.1), target=0.9), observed[8])
    for weights in observed.values():  # one matrix stands still after its first step
        weights[UP] = observed[1][UP].clone()
    found = alpha_opd(base, observed, {step: 0.1 * step for step in STEPS}, target=0.9)
    changed = {name for name in base if not found[name].equal(observed[8][name])}
    assert changed == MATRICES - {UP}


def test_what_does_not_move_is_not_moved(base: Weights) -> None:
    accuracies = {step: 0.1 * step for step in STEPS}
    still = {step: {name: weight.clone() for name, weight in base.items()} for step in STEPS}
    for _, weights in predictions(base, still, FINAL, accuracies):
        assert same_bits(weights, base)
    observed = noisy(base, 0.01)
    for weights in observed.values():
        weights[UP] = base[UP].clone()
    for method, weights in predictions(base, observed, FINAL, accuracies):
        assert weights[UP].equal(base[UP]), method
        assert all(bool(torch.isfinite(weight).all()) for weight in weights.values()), method


def test_one_checkpoint_is_enough_for_a_line_through_the_base_alone(base: Weights) -> None:
    observed = {4: moved(base, model(1, dtype=torch.float64), 0.1)}
    found = dict(predictions(base, observed, 8, {3: 0.4, 7: 0.5}))
    assert list(found) == ["observed", "linear"] and same_bits(found["observed"], observed[4])
    close(found["linear"], moved(base, model(1, dtype=torch.float64), 0.2))
    with pytest.raises(DataError, match=r"relex fits a line .* needs two or more, got 1"):
        relex(base, observed, 8)
    with pytest.raises(DataError, match=r"alpha_opd fits a line .* needs two or more, got 1"):
        alpha_opd(base, observed, {4: 0.4}, target=0.5)


def test_alpha_opd_needs_an_accuracy_of_each_checkpoint_and_aims_at_the_last_one(base: Weights) -> None:
    observed = noisy(base, 0.01)
    accuracies = {step: 0.1 + 0.05 * step for step in STEPS} | {30: 0.95, 79: 0.8}
    found = dict(predictions(base, observed, FINAL, accuracies))
    assert list(found) == ["observed", "linear", "relex", "alpha_opd"]
    assert same_bits(found["alpha_opd"], alpha_opd(base, observed, accuracies, target=0.8))
    assert not same_bits(found["alpha_opd"], alpha_opd(base, observed, accuracies, target=0.95))
    del accuracies[3]
    with pytest.raises(DataError, match="alpha_opd needs the accuracy of every observed checkpoint: step 3 has none"):
        alpha_opd(base, observed, accuracies, target=0.8)


def test_predictions_keep_dtype_and_tied_heads_and_share_no_memory() -> None:
    base = model(0)
    base[HEAD] = base[EMBEDDING].clone()
    observed = {step: moved(base, model(1), 0.01 * step) for step in STEPS}
    for weights in observed.values():
        weights[HEAD] = weights[EMBEDDING].clone()
    before = [{name: weight.clone() for name, weight in weights.items()} for weights in (base, observed[8])]
    for method, weights in predictions(base, observed, FINAL, {step: 0.1 * step for step in STEPS}):
        assert weights[HEAD].equal(weights[EMBEDDING]), method
        for name, weight in weights.items():
            assert weight.dtype == torch.float32 and weight.shape == base[name].shape, (method, name)
            weight.fill_(7)
    assert same_bits(base, before[0]) and same_bits(observed[8], before[1])


@pytest.mark.parametrize("method", ["linear", "relex", "alpha_opd"])
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (None, "missing from the trained weights"),
        (torch.zeros(20, 7, dtype=torch.float64), r"base has shape \(20, 8\), trained has \(20, 7\)"),
        (torch.full((20, 8), float("nan"), dtype=torch.float64), "trained weights are not all finite"),
    ],
)
def test_unusable_parameters_are_named(base: Weights, method: str, broken: Tensor | None, message: str) -> None:
    observed = noisy(base, 0.01)
    del observed[8][UP]
    if broken is not None:
        observed[8][UP] = broken
    calls = {
        "linear": lambda: linear(base, observed[8], 8, FINAL),
        "relex": lambda: relex(base, observed, FINAL),
        "alpha_opd": lambda: alpha_opd(base, observed, dict.fromkeys(STEPS, 0.5), target=0.9),
    }
    with pytest.raises(ValueError, match=message) as error:
        calls[method]()
    assert str(error.value).startswith(UP) and "\n" not in str(error.value)
