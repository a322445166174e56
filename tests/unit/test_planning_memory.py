"""Memory of training: plans against sums done by hand and against what was made."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch
from test_planning import SERVED, SHAPE, SIZES, ZERO, P, memory, params
from transformers import (
    Qwen3Config,
    Qwen3ForCausalLM,
)

from effopd.models.build import build_model
from effopd.models.critic import make_critic
from effopd.planning.memory import stage_memory
from effopd.planning.shapes import Shape, built_shape
from effopd.planning.work import Throughput, disk_bytes, run_work


def test_parameters_by_hand() -> None:
    assert SHAPE.parameters == P == 2808


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ({}, {"weights": 4 * P, "gradients": 4 * P, "moments": 8 * P, "AdamW's update": 4 * P}),
        (ZERO | {"zero_stage": 0}, {"weights": 4 * P, "weights in bfloat16": 2 * P, "moments": 8 * P}),
        (ZERO | {"zero_stage": 1}, {"weights": 2 * P, "float32 masters": P, "gradients": 4 * P, "moments": 2 * P}),
        (ZERO | {"zero_stage": 2}, {"weights": 2 * P, "float32 masters": P, "gradients": P, "moments": 2 * P}),
        (
            ZERO | {"zero_stage": 3},
            {"weights": P / 2, "float32 masters": P, "gradients": P, "sampler's copy": 4 * P, "buckets": 2 * P},
        ),
    ],
)
def test_weights_gradients_and_moments_of_each_zero_stage(engine: dict[str, Any], expected: dict[str, float]) -> None:
    found = memory("effopd", params(engine=engine))
    assert {name: found[name] for name in expected} == expected
    shards = engine.get("ranks", 1) if engine.get("zero_stage") else 1
    assert found["anchor"] == found["snapshot"] == 4 * P / shards
    assert found["teacher"] == 4 * P


def test_lora_holds_gradients_and_moments_of_its_factors_alone() -> None:
    factors = 4 * 2 * (16 + 12 + 12 + 16 + 3 * 24)  # rank, layers, inputs and outputs of q, k, v, o and the MLP's three
    matrices = SHAPE.projections
    assert SHAPE.factors(4) == factors
    found = memory("effopd", params(engine={"lora_rank": 4}))
    assert (found["weights"], found["gradients"], found["moments"]) == (4 * (P + factors), 4 * factors, 8 * factors)
    assert (found["anchor"], found["snapshot"]) == (4 * matrices, 12 * matrices)
    found = memory("effopd", params(engine=ZERO | {"zero_stage": 2, "lora_rank": 4}))
    assert (found["weights"], found["gradients"], found["moments"]) == (4 * (P + factors), factors, 2 * factors)
    assert (found["weights in bfloat16"], found["anchor"]) == (2 * P, 4 * matrices)


def critics(**sections: dict[str, Any]) -> dict[str, float]:
    found = memory("rl", params(**sections | {"rl": {"algorithm": "ppo"}}))
    return {name.removeprefix("critic's "): size for name, size in found.items() if name.startswith("critic's ")}


C = P - 100 * 8 + 8
"""Parameters of its critic: a head of one value instead of 100."""


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ({}, {"weights": 4 * C, "gradients": 4 * C, "moments": 8 * C}),
        (ZERO | {"zero_stage": 2}, {"weights": 2 * C, "float32 masters": C, "gradients": C, "moments": 2 * C}),
        (ZERO | {"zero_stage": 3}, {"weights": C / 2, "float32 masters": C, "gradients": C, "moments": 2 * C}),
    ],
)
def test_ppo_trains_a_second_model(engine: dict[str, Any], expected: dict[str, float]) -> None:
    found = critics(engine=engine)
    assert {name: found[name] for name in expected} == expected
    assert "AdamW's update" not in found, "the two take their steps one after the other"
    for stage in ("opd", "effopd"):
        assert memory(stage, params(engine=engine, rl={"algorithm": "ppo"})) == memory(stage, params(engine=engine))


def test_its_factors_stand_beside_a_head_that_is_trained() -> None:
    found, trained = critics(engine={"lora_rank": 4}), SHAPE.factors(4) + 8
    assert found == {"weights": 4 * (C - 8 + trained), "gradients": 4 * trained, "moments": 8 * trained}


def test_a_critic_has_as_many_parameters_as_one_that_was_made() -> None:
    for tied in (False, True):
        model = Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=40, tie_word_embeddings=tied))
        shape = Shape(64, 96, 3, 4, 2, 40, 160, tied=tied, qkv_bias=False, qk_norm=True)
        assert shape.parameters == model.num_parameters()
        assert shape.critic == make_critic(model).num_parameters()


def test_a_critic_costs_seconds_and_disk() -> None:
    speed = Throughput(flops=1e6, bytes=1e3, length=0.5)
    with_critic, without = (params(rl={"algorithm": name, "updates_per_batch": 2}) for name in ("ppo", "grpo"))
    seconds = [
        run_work("rl", 3, of, SHAPE, SHAPE, 4, speed, cache_bytes=1e9).training_seconds for of in (with_critic, without)
    ]
    tokens = 3 * 32 * 16 * (4 + 16)
    critic = 2 * 2 * (192 + 384) + 4 * 2 * 2 * 4 * (4 + 16 / 2)  # matrices, and attention to 4 + 16/2 others
    assert seconds[0] - seconds[1] == pytest.approx(tokens * (1 + 2 * 3) * critic / 1e6)
    states = [disk_bytes(of, SHAPE)["state of a run under way"] for of in (with_critic, without)]
    assert states == [2 * 3 * 4 * (P + C), 2 * 4 * 4 * P]


def test_factors_are_those_of_the_linear_layers_of_a_model_that_was_built() -> None:
    model = build_model(tiny.MODEL, tiny.tokenizer(), seed=0)
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not model.lm_head]
    shape = built_shape(tiny.MODEL, len(tiny.tokenizer()))
    assert shape.factors(3) == 3 * sum(m.in_features + m.out_features for m in linear)


def test_offloading_moves_masters_moments_and_anchor_off_the_device() -> None:
    on = stage_memory("effopd", params(engine=ZERO | {"zero_stage": 2}), SHAPE, SERVED, 10, 1e6)
    off = stage_memory(
        "effopd", params(engine=ZERO | {"zero_stage": 2, "offload_optimizer": True}), SHAPE, SERVED, 10, 1e6
    )
    always = P + 2 * P + P  # masters, moments, anchor of a quarter of the weights
    assert on.host == 0 and off.host == always + 2 * P  # float32 gradients and AdamW's update, more than the snapshot
    assert {part.name for part in off.parts if part.offloaded} == {
        "float32 masters", "moments", "anchor", "snapshot", "float32 gradients", "AdamW's update",
    }  # fmt: skip


def test_sampling_and_training_share_the_memory_of_a_rank() -> None:
    of = params(
        rollout={"max_new_tokens": 30}, optimizer={"micro_batch": 2}, opd={"prompts_per_step": 5},
        rl={"prompts_per_step": 4, "group_size": 3}, data={"validation": 7}, effopd={"samples": 2},
    )  # fmt: skip
    cached = 2 * 2 * 1 * 4  # keys and values, layers, heads, width
    for stage, drawn in (("rl", 12), ("opd", 5), ("effopd", 14)):
        found = memory(stage, of)
        assert found["key-value cache"] == drawn * (10 + 30) * cached * 4
        assert found["logits"] == 2 * 30 * 100 * 4 * 6.5
    assert memory("opd", params(engine={"loss_chunk": 16}))["logits"] == 16 * 100 * 4 * 6.5
    whole = stage_memory("opd", of, SHAPE, SERVED, 10, 1e6)
    parts = {part.name: part.bytes for part in whole.parts}
    training = parts["gradients"] + parts["AdamW's update"] + parts["activations"] + parts["logits"]
    sampling = parts["key-value cache"] + parts["drawing tokens"]
    assert whole.device == parts["weights"] + parts["moments"] + max(sampling, training)


def test_vllm_takes_its_share_of_the_device() -> None:
    found = memory("opd", params(rollout={"engine": "vllm", "gpu_memory": 0.4}))
    assert found["vLLM"] == 4e5 and "key-value cache" not in found
