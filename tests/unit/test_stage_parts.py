"""What stages share: the engine as params ask for it, engines that are not there, and what the small stages read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_type_hints

import pytest
import tiny
import torch
from transformers import PreTrainedModel

from effopd.models.critic import make_critic
from effopd.params.section import ParamsError, parse, read_yaml
from effopd.sandbox.run import SandboxError
from effopd.trajectory import layout
from stages import harness, seconds, timing
from stages.training import TrainingParams, build_engine

PARAMS = Path(__file__).parents[2] / "params.yaml"


def training_params(**engine: object) -> TrainingParams:
    values = read_yaml(PARAMS)
    values["engine"] |= engine
    sections = get_type_hints(TrainingParams).items()
    return TrainingParams(**{name: parse(section, name, values[name]) for name, section in sections})


@pytest.mark.parametrize("of", [lambda model: model, make_critic], ids=["policy", "critic"])
def test_activations_are_computed_again_by_torch_too_and_give_the_same_gradients(
    of: Callable[[PreTrainedModel], PreTrainedModel],
) -> None:
    gradients = []
    for checkpointing in (False, True):
        params = training_params(activation_checkpointing=checkpointing)
        model = of(tiny.model(layers=2))
        model.get_output_embeddings().weight.data.fill_(0.1)  # under a head of zeros nothing has a gradient
        engine = build_engine(model, torch.device("cpu"), params, 1e-3)
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


def test_a_sandbox_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def main() -> None:
        raise SandboxError("bwrap is not installed")

    monkeypatch.setattr(harness.sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as caught:
        harness.run(main)
    assert caught.value.code == "error: bwrap is not installed"


def test_gathering_seconds_reads_no_checkpoint_and_no_dropped_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trajectories of a large model are terabytes, and nothing in them tells of seconds.

    A shorter list of replicates leaves folders behind, which no fresh clone has.
    """
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS.read_text())
    for name in ("opd-0", "opd-9", "rl"):
        folder = Path("models") / name
        (folder / "step-000000").mkdir(parents=True)
        (folder / "step-000000/model.safetensors").write_bytes(b"weights")
        (folder / "metrics.jsonl").write_text(json.dumps({"step": 1, "run": name}) + "\n")
    file = layout.timing_file(Path("models/rl"))
    file.parent.mkdir(parents=True)
    file.write_text('{"step": 1, "seconds": 2.5}\n')
    for name in ("opd-0", "opd-9", "rl"):
        seconds.main(name)

    read: list[Path] = []
    hash_path = harness.hash_path
    monkeypatch.setattr(harness, "hash_path", lambda path: (read.append(path), hash_path(path))[1])
    timing.main()
    assert json.loads(Path("reports/timing.json").read_text()) == {"opd-0": None, "rl": [{"step": 1, "seconds": 2.5}]}
    assert {Path("reports/seconds/opd-0.jsonl"), Path("reports/seconds/rl.jsonl")} <= set(read)
    assert not [path for path in read if path.parts[0] == "models" or "opd-9" in path.name]
