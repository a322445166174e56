"""Passes in bfloat16 over float32 weights: as far from float32 as rounding goes, and no further."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from tiny import OPD, OPTIMIZER, Lab, with_values
from torch import Tensor

from effopd.rollout.sampler import ModelSampler
from effopd.seeding import uniforms
from effopd.train.engine import TorchEngine
from effopd.train.forward import completion_logits
from effopd.train.scoring import policy_scores

UNIT = 2.0**-8
"""The largest relative error of rounding to the eight binary digits of bfloat16."""


def passes(precision: str) -> tuple[TorchEngine, Tensor, Tensor]:
    """An engine behind a backward pass of Σ log π over sampled tokens; its logits (B, T, V), its states (B, T, H)."""
    engine = TorchEngine(tiny.model(layers=2), OPTIMIZER, 1e-3, precision)
    prompts = [problem.prompt for problem in tiny.problems(6)]
    rollout = ModelSampler(tiny.model(layers=2), tiny.tokenizer(), 5).sample(prompts, uniforms(3, range(6), 5))
    states: list[Tensor] = []
    hook = engine.module.get_decoder().register_forward_hook(lambda *call: states.append(call[2].last_hidden_state))
    logits_BTV = completion_logits(engine.model, rollout)
    hook.remove()
    logprobs_BT, _ = policy_scores(engine, rollout, 0)
    engine.backward((logprobs_BT * rollout.mask_BT).sum())
    return engine, logits_BTV.detach().double(), states[0][:, -rollout.tokens_BT.shape[1] - 1 : -1].detach().double()


def test_the_output_head_is_off_by_the_rounding_of_its_operands_and_its_result() -> None:
    """|fl(Σ wx) − Σ wx| ≤ (2u + u²) Σ |w||x| + u |result|, beside float32's own errors, which are 2⁻¹⁶ of these."""
    engine, found_BTV, states_BTH = passes("bfloat16")
    head_VH = engine.module.get_output_embeddings().weight.detach().double()
    bound_BTV = (2 * UNIT + UNIT**2) * (states_BTH.abs() @ head_VH.abs().T) + UNIT * found_BTV.abs()
    off_BTV = (found_BTV - states_BTH @ head_VH.T).abs()
    assert (off_BTV <= 1.001 * bound_BTV).all()
    assert off_BTV.max() > 0.01 * bound_BTV.max(), "nothing was rounded"


def test_weights_moments_and_gradients_stay_float32() -> None:
    engine, _, _ = passes("bfloat16")
    gradients = [weight.grad for weight in engine.module.parameters()]
    assert all(gradient is not None and gradient.dtype is torch.float32 for gradient in gradients)
    engine.step(1)
    assert {tensor.dtype for tensor in engine.state().values()} == {torch.float32}


def test_float32_is_not_touched() -> None:
    engine, logits_BTV, _ = passes("float32")
    plain = tiny.model(layers=2)
    assert "forward" not in vars(engine.module)
    prompts = [problem.prompt for problem in tiny.problems(6)]
    rollout = ModelSampler(plain, tiny.tokenizer(), 5).sample(prompts, uniforms(3, range(6), 5))
    assert completion_logits(plain, rollout).double().equal(logits_BTV)


def test_the_sampler_rounds_as_the_trainer_does() -> None:
    """Log-probabilities of samples drawn in bfloat16 are nearer to the trainer's than those of samples in float32."""
    prompts, numbers_BT = [problem.prompt for problem in tiny.problems(40)], uniforms(3, range(40), 5)
    engine, off = TorchEngine(tiny.model(layers=2), OPTIMIZER, 1e-3, "bfloat16"), []
    for model, precision in ((engine.module, "bfloat16"), (tiny.model(layers=2), "float32")):
        rollout = ModelSampler(model, tiny.tokenizer(), 5, precision).sample(prompts, numbers_BT)
        trainer_BT = policy_scores(engine, rollout, 0)[0].detach()
        off.append(float(((trainer_BT - rollout.logprobs_BT).abs() * rollout.mask_BT).sum()))
    assert off[0] < off[1]


@pytest.mark.parametrize("chunk", [0, 4])
@pytest.mark.parametrize("loss", ["sampled", "reverse_kl"])
def test_distillation_in_bfloat16_is_another_run_than_in_float32(tmp_path: Path, chunk: int, loss: str) -> None:
    found = Lab(tmp_path, precision="bfloat16", loss_chunk=chunk).opd(with_values(OPD, loss=loss))
    exact = Lab(tmp_path / "float32", loss_chunk=chunk).opd(with_values(OPD, loss=loss))
    assert found.metrics[0]["loss"] != exact.metrics[0]["loss"], "nothing was rounded"
    assert all(weight.dtype is torch.float32 for weight in found.model.parameters())
