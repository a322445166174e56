"""What stages share: the engine as params ask for it, and engines that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch

from effopd.params.engine import EngineParams
from effopd.params.section import ParamsError, parse, read_yaml
from stages import harness
from stages.training import build_engine

PARAMS = Path(__file__).parents[2] / "params.yaml"


def engine_params(**values: object) -> EngineParams:
    return parse(EngineParams, "engine", read_yaml(PARAMS)["engine"] | values)


def test_activations_are_computed_again_by_torch_too_and_give_the_same_gradients() -> None:
    gradients = []
    for checkpointing in (False, True):
        params = engine_params(activation_checkpointing=checkpointing)
        engine = build_engine(tiny.model(layers=2), torch.device("cpu"), tiny.OPTIMIZER, params, 1e-3, seed=1)
        assert engine.module.is_gradient_checkpointing == checkpointing
        engine.backward(engine.model(torch.tensor([[5, 6, 7, 8]]), use_cache=False).logits.square().mean())
        gradients.append({name: weight.grad for name, weight in engine.module.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], msg=lambda text, name=name: f"{name}: {text}")


def test_an_engine_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "packages_distributions", lambda: {"torch": ["torch"]})
    with pytest.raises(ParamsError, match=r"params\.yaml asks for vllm, which is not installed here"):
        harness.environment("vllm")
    assert "torch" in harness.environment()
