"""The plan of interventions: which settings, in which order, and what weights stand behind each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_interventions import model, same_bits, trained_from

from effopd.interventions.experiments import Intervention, interventions, nearest_step
from effopd.interventions.scaling import update_norm
from effopd.params.interventions import InterventionParams
from effopd.params.section import ParamsError, parse

PARAMS = {
    "methods": ["opd"],
    "samples": 1,
    "alpha": [0.5],
    "progress": [0.1, 0.5],
    "beta": [0.5],
    "extrapolated_from": [0.1, 0.5],
    "half_width": 0,
    "top_percent": [10],
    "bottom_percent": [90],
}


ACCURACIES = {0: 0.3, 4: 0.4, 20: 0.7, 39: 0.8}


def stored() -> dict[int, dict[str, torch.Tensor]]:
    base = model(0)
    return {0: base, 4: trained_from(base, 4, 0.01), 20: trained_from(base, 20, 0.02), 40: trained_from(base, 40)}


@pytest.fixture(scope="module")
def planned() -> list[tuple[Intervention, dict[str, torch.Tensor]]]:
    run = stored()
    params = InterventionParams.model_validate(PARAMS)
    return list(interventions(run[0], run[40], lambda step: run[step], sorted(run), ACCURACIES, params))


def test_the_base_and_the_trained_model_are_the_ends_bit_for_bit(
    planned: list[tuple[Intervention, dict[str, torch.Tensor]]],
) -> None:
    base = model(0)
    assert planned[0][0] == Intervention("alpha", alpha=0.0) and same_bits(planned[0][1], base)
    assert planned[1][0] == Intervention("alpha", alpha=1.0) and same_bits(planned[1][1], trained_from(base, 40))


def test_every_experiment_is_planned_with_every_setting_once(
    planned: list[tuple[Intervention, dict[str, torch.Tensor]]],
) -> None:
    settings = [intervention for intervention, _ in planned]
    assert len(set(settings)) == len(settings)
    counts = {one.experiment: sum(other.experiment == one.experiment for other in settings) for one in settings}
    layers = sum(1 for one in settings if one.experiment == "window") // 2
    assert layers > 1
    assert counts == {
        "alpha": 3, "rescaling": 5, "extrapolated": 6,
        "modules": 2, "window": 2 * layers, "embedding": 1, "top": 1, "bottom": 1,
    }  # fmt: skip
    assert {one.step for one in settings if one.progress == 0.1} == {4}
    assert [one.beta for one in settings if one.progress == 0.5 and one.experiment == "rescaling"] == [0.0, 1.0]
    methods = {
        at: [one.extrapolation for one in settings if one.extrapolation and one.progress == at] for at in (0.1, 0.5)
    }
    assert methods == {0.1: ["observed", "linear"], 0.5: ["observed", "linear", "relex", "alpha_opd"]}


def test_the_windows_of_one_layer_add_up_to_the_whole_kind(
    planned: list[tuple[Intervention, dict[str, torch.Tensor]]],
) -> None:
    base, found = model(0), dict(planned)
    for kind in ("attention", "mlp"):
        whole = found[Intervention("modules", kind=kind)]  # type: ignore[arg-type]
        parts = [weights for one, weights in planned if one.experiment == "window" and one.kind == kind]
        for name, before in base.items():
            summed = before + sum(part[name] - before for part in parts)
            torch.testing.assert_close(summed, whole[name])
        assert update_norm(base, whole) > 0


def test_rescaled_weights_have_the_final_norm_and_the_early_direction(
    planned: list[tuple[Intervention, dict[str, torch.Tensor]]],
) -> None:
    base, found = model(0), dict(planned)
    final = trained_from(base, 40)
    early = found[Intervention("rescaling", progress=0.1, step=4, beta=0.0)]
    rescaled = found[Intervention("rescaling", progress=0.1, step=4, beta=1.0)]
    assert same_bits(early, trained_from(base, 4, 0.01))
    for name in base:
        before, after = (early[name] - base[name]).double(), (rescaled[name] - base[name]).double()
        assert float(after.norm()) == pytest.approx(float((final[name] - base[name]).double().norm()), rel=1e-4)
        assert float((before * after).sum() / before.norm() / after.norm()) == pytest.approx(1, abs=1e-4)


def test_predictions_see_the_observed_checkpoints_and_nothing_later(
    planned: list[tuple[Intervention, dict[str, torch.Tensor]]],
) -> None:
    run, params = stored(), InterventionParams.model_validate(PARAMS | {"progress": [0.1], "extrapolated_from": [0.5]})
    later, read = trained_from(run[0], 99), []

    def early(step: int) -> dict[str, torch.Tensor]:
        read.append(step)
        return run[step]

    found = dict(planned)
    told = list(interventions(run[0], later, early, sorted(run), ACCURACIES, params))
    predicted = [(one, weights) for one, weights in told if one.experiment == "extrapolated"]
    assert len(predicted) == 4 and all(same_bits(weights, found[one]) for one, weights in predicted)
    assert set(read) == {4, 20}
    observed, linear, relex, alpha_opd = (weights for _, weights in predicted)
    assert same_bits(observed, run[20])
    for name, before in run[0].items():
        torch.testing.assert_close(linear[name], before + 2 * (run[20][name] - before))
    assert not same_bits(relex, linear) and not same_bits(alpha_opd, run[20])


@pytest.mark.parametrize(
    ("progress", "step"), [(0.1, 8), (0.099, 8), (0.001, 1), (0.999, 64), (0.2, 16), (0.25, 23), (0.24375, 16)]
)
def test_the_nearest_checkpoint_inside_the_run_is_taken(progress: float, step: int) -> None:
    assert nearest_step([0, 1, 8, 16, 23, 64, 80], progress) == step


def test_a_run_without_a_checkpoint_in_between_is_refused() -> None:
    with pytest.raises(ValueError, match="between steps 0 and 4: none is stored"):
        nearest_step([0, 4], 0.1)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("beta", [0.5, 1.0], "interventions.beta: must not hold 0 or 1"),
        ("alpha", [0.5, 0.5], "interventions.alpha: must not hold a value twice"),
        ("alpha", [1.5], "interventions.alpha.0"),
        ("progress", [], "interventions.progress"),
        ("extrapolated_from", [0.1, 0.1], "interventions.extrapolated_from: must not hold a value twice"),
        ("extrapolated_from", [1.0], "interventions.extrapolated_from.0"),
    ],
)
def test_settings_that_make_no_sense_are_named(key: str, value: list[float], said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        parse(InterventionParams, "interventions", PARAMS | {key: value}, Path("params.yaml"))


def test_an_intervention_is_told_apart_by_its_settings() -> None:
    one = Intervention("top", percent=10)
    assert one != replace(one, percent=50) and one != replace(one, experiment="bottom")
