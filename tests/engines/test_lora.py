"""LoRA by peft: what the factors compute, what a leap does to the merged weights, and what is saved."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tiny
import torch
import zoo
from tiny import EFFOPD, LENGTH, OPD, Killed, Lab, Trained, with_values
from torch import Tensor
from transformers import PreTrainedModel

from effopd.extrapolation import scores
from effopd.files import hash_path
from effopd.models.critic import make_critic
from effopd.models.lora import adapted, add_factors, leaping_weights, merged_weights
from effopd.models.store import load_model
from effopd.params.engine import EngineParams
from effopd.params.section import ParamsError, parse
from effopd.rollout.sampler import sample
from effopd.seeding import uniforms
from effopd.train.engine import TorchEngine
from effopd.train.session import Session
from effopd.trajectory.store import read_checkpoint, step_folder

pytest.importorskip("peft", reason="make test-engines installs it")

RANK, ALPHA = 2, 6.0
SLOW = with_values(OPD, learning_rate=2e-3)
ADAPTED = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")  # fmt: skip


def with_factors(rank: int = RANK, seed: int = 3) -> PreTrainedModel:
    model = tiny.guesser()
    add_factors(model, rank, ALPHA, seed)
    return model


def lab(root: Path) -> Lab:
    return Lab(root, student=with_factors)


def logits(model: PreTrainedModel) -> Tensor:
    ids = torch.arange(2, 18).view(2, 8)
    return model(ids, use_cache=False).logits


def factors(model: PreTrainedModel) -> dict[str, tuple[Tensor, Tensor]]:
    """A (r, in) and B (out, r) of each adapted layer."""
    layers = adapted(model).items()
    return {name: (layer.lora_A["default"].weight, layer.lora_B["default"].weight) for name, layer in layers}


def test_factors_stand_beside_attention_and_mlp_alone_and_at_first_change_nothing() -> None:
    plain, model = tiny.guesser(), with_factors()
    assert set(adapted(model)) == {f"model.layers.0.{name}" for name in ADAPTED}
    assert logits(model).equal(logits(plain))
    trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert len(trainable) == 2 * len(ADAPTED) and all("lora_" in name for name in trainable)
    assert factors(model)["model.layers.0.mlp.up_proj"][0].equal(
        factors(with_factors())["model.layers.0.mlp.up_proj"][0]
    ), "the seed decides A"
    assert not factors(model)["model.layers.0.mlp.up_proj"][0].equal(
        factors(with_factors(seed=4))["model.layers.0.mlp.up_proj"][0]
    )


def test_a_critics_head_is_trained_beside_its_factors() -> None:
    critic = make_critic(tiny.guesser())
    add_factors(critic, RANK, ALPHA, 3, train_head=True)
    trainable = {name for name, parameter in critic.named_parameters() if parameter.requires_grad}
    assert len(trainable) == 2 * len(ADAPTED) + 1 and "lm_head.weight" in trainable
    engine = TorchEngine(critic, tiny.OPTIMIZER, 1e-2)
    for step in (1, 2):  # the factors have gradients once the head is no longer zero
        engine.backward((logits(critic) - 1).square().mean())
        engine.step(step)
    assert critic.lm_head.weight.all() and all(b_OR.any() for _, b_OR in factors(critic).values())


def test_gradients_of_the_factors_are_the_weights_gradient_projected() -> None:
    """W + s B A with s = α / r: ∂L/∂B = s G Aᵀ and, as B = 0, ∂L/∂A = s Bᵀ G = 0."""
    plain, model = tiny.guesser(), with_factors()
    for each in (plain, model):
        logits(each).log_softmax(-1)[..., 3].sum().backward()
    gradients = {name: parameter.grad for name, parameter in plain.named_parameters()}
    for name, (a_RI, b_OR) in factors(model).items():
        gradient_OI = gradients[f"{name}.weight"]
        assert gradient_OI is not None and a_RI.grad is not None
        torch.testing.assert_close(b_OR.grad, ALPHA / RANK * gradient_OI @ a_RI.T, atol=1e-5, rtol=1e-4)
        assert not a_RI.grad.any()


def test_factors_of_full_rank_hold_any_update_and_merge_to_it() -> None:
    """The singular vectors of arbitrary updates as factors: the model computes what the updated weights compute."""
    generator = torch.Generator().manual_seed(0)
    plain, model = tiny.guesser(), with_factors(rank=16)
    weights = dict(plain.named_parameters())
    with torch.no_grad():
        for name, (a_RI, b_OR) in factors(model).items():
            update_OI = 0.1 * torch.randn(weights[f"{name}.weight"].shape, generator=generator)
            u_OK, s_K, v_KI = torch.linalg.svd(update_OI, full_matrices=False)
            a_RI.zero_(), b_OR.zero_()
            a_RI[: len(s_K)] = v_KI
            b_OR[:, : len(s_K)] = u_OK * s_K * 16 / ALPHA
            weights[f"{name}.weight"] += update_OI
        merged = dict(merged_weights(model))
        assert merged.keys() == weights.keys()
        for name, weight in weights.items():
            torch.testing.assert_close(merged[name], weight, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(logits(model), logits(plain), atol=1e-5, rtol=1e-5)


def checkpoints(found: Trained, steps: tuple[int, ...] = (0, 1, 2, 4)) -> dict[int, dict[str, Tensor]]:
    return {step: read_checkpoint(found.folder, step) for step in steps}


@pytest.mark.parametrize("run", ["opd", "rl"])
def test_checkpoints_are_whole_models_of_low_rank_updates(tmp_path: Path, run: str) -> None:
    found = lab(tmp_path).opd(SLOW) if run == "opd" else lab(tmp_path).rl()
    weights = checkpoints(found)
    assert weights[0].keys() == dict(tiny.guesser().named_parameters()).keys()
    for name, start in weights[0].items():
        update = weights[4][name] - start
        if any(adapted_name in name for adapted_name in ADAPTED):
            values = torch.linalg.svdvals(update.double())
            assert values[RANK - 1] > 1e-6 > 30 * values[RANK:].max(), name
        else:
            assert not update.any(), name
    model, numbers_BT = load_model(step_folder(found.folder, 4)), uniforms(5, range(3), LENGTH)
    prompts = ["3+4?", "1?", "2*2+2?"]
    whole, split = (sample(m, tiny.tokenizer(), prompts, LENGTH, numbers_BT) for m in (model, found.model))
    assert whole.texts == split.texts
    torch.testing.assert_close(whole.logprobs_BT, split.logprobs_BT, atol=1e-5, rtol=1e-5)


def test_an_accepted_leap_adds_its_multiple_of_the_merged_update_and_leaves_the_factors_alone(tmp_path: Path) -> None:
    plain = lab(tmp_path / "opd").opd(with_values(SLOW, steps=1))
    found = lab(tmp_path / "effopd").effopd(with_values(EFFOPD, multipliers=[3.0], steps=1), SLOW)
    assert found.triggers[0]["accepted"] == 1
    before, trained, leapt = *checkpoints(plain, (0, 1)).values(), read_checkpoint(found.folder, 1)
    for name, weight in leapt.items():
        torch.testing.assert_close(weight, trained[name] + 3 * (trained[name] - before[name]), atol=1e-6, rtol=0)
    for name, pair in factors(plain.model).items():
        assert all(one.equal(two) for one, two in zip(pair, factors(found.model)[name], strict=True))


def test_the_second_leap_starts_from_the_weights_behind_the_first(tmp_path: Path) -> None:
    """W_2 + m (W_2 − W̃_1): trained with one leap and with two, which differ by that alone."""
    once = lab(tmp_path / "once")
    first_only = once.opd(with_values(SLOW, steps=2))  # the factors' path without any leap
    params = with_values(EFFOPD, multipliers=[0.5], steps=2)
    found = lab(tmp_path / "twice").effopd(params, SLOW)
    assert [row["accepted"] for row in found.triggers] == [1, 1]
    leapt, last = (read_checkpoint(found.folder, step) for step in (1, 2))
    assert not all(last[name].equal(weight) for name, weight in read_checkpoint(first_only.folder, 2).items())
    frozen = leaping_weights(found.model)
    for name, layer in adapted(found.model).items():
        weight = f"{name}.weight"
        start = read_checkpoint(found.folder, 0)[weight]
        product = layer.get_delta_weight("default").detach()
        behind_first = (
            start + 0.5 * (leapt[weight] - start) / 1.5
        )  # W̃_1 = W_0 + 1.5 BA_1, its frozen part W_0 + .5 BA_1
        trained = behind_first + product
        torch.testing.assert_close(last[weight], trained + 0.5 * (trained - leapt[weight]), atol=1e-6, rtol=0)
        torch.testing.assert_close(frozen[weight] + product, last[weight], atol=1e-6, rtol=0)


def test_without_an_accepted_leap_effopd_is_opd_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "score_all", lambda problems, texts: [0.0] * len(problems))
    plain = lab(tmp_path / "opd").opd(SLOW)
    found = lab(tmp_path / "effopd").effopd(with_values(EFFOPD, accept=">"), SLOW)
    assert [row["accepted"] for row in found.triggers] == [0, 0, 0]
    for step in (0, 1, 2, 4):
        files = [step_folder(run.folder, step) / "model.safetensors" for run in (plain, found)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_killed_run_with_leaps_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("effopd.trajectory.workspace.WORK_PER_SAVE", 0)
    whole = lab(tmp_path / "whole").effopd(EFFOPD, SLOW)
    assert any(row["accepted"] for row in whole.triggers[:2]), "a leap lies before the kill"
    with pytest.MonkeyPatch.context() as patch:
        original, calls = Session.log, 0

        def log(session: Session, **values: float) -> None:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise Killed
            original(session, **values)

        patch.setattr(Session, "log", log)
        with pytest.raises(Killed):
            lab(tmp_path / "killed").effopd(EFFOPD, SLOW)
    assert hash_path(lab(tmp_path / "killed").effopd(EFFOPD, SLOW).folder) == hash_path(whole.folder)


def test_lora_without_peft_or_under_zero_3_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "name": "deepspeed",
        "ranks": 2,
        "zero_stage": 3,
        "precision": "float32",
        "offload_optimizer": False,
        "activation_checkpointing": False,
        "loss_chunk": 0,
        "lora_rank": 8,
        "lora_alpha": 16.0,
        "hostfile": "",
    }
    with pytest.raises(ParamsError, match=r"engine: lora_rank needs a zero_stage of 2 or less") as caught:
        parse(EngineParams, "engine", values)
    assert "\n" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ParamsError, match=r"pip install -e '\.\[lora\]'"):
        with_factors()


@pytest.mark.parametrize(
    ("family", "left_out"),
    [
        ("qwen3_moe", "model.layers.0.mlp.experts.gate_up_proj"),
        ("deepseek_v3", "model.layers.1.mlp.experts.gate_up_proj"),
        ("gpt2", "transformer.h.0.attn.c_attn.weight"),
    ],
)
def test_a_model_with_matrices_that_no_factors_go_beside_is_refused_by_name(family: str, left_out: str) -> None:
    model = zoo.build(family)
    with pytest.raises(ParamsError, match=rf"^engine.lora_rank: .* of a {family} {left_out} is none \(\d+ in all\)"):
        add_factors(model, RANK, ALPHA, 3)


@pytest.mark.parametrize("family", ["qwen3 tied", "gemma3", "granite", "phi3", "lfm2", "qwen3_5"])
def test_factors_stand_beside_every_matrix_of_a_family_that_is_taken(family: str) -> None:
    model = zoo.build(family)
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    matrices = {
        name
        for name, module in model.named_modules()
        if getattr(getattr(module, "weight", None), "ndim", 0) == 2 and module is not head and module is not embedding
    }
    add_factors(model, RANK, ALPHA, 3)
    assert set(adapted(model)) == matrices
