"""Which matrices a model has, in the layouts of many families: every 2-D weight is counted once, or named."""

from __future__ import annotations

import math

import pytest
import torch
from random_families import family_model
from torch import Tensor

from effopd.spectral.analysis import analyse_update
from effopd.spectral.modules import (
    WeightMatrix,
    left_out,
    left_out_line,
    outer_matrices,
    parse_parameter,
    weight_matrices,
)

FAMILIES = [
    "llama", "qwen2", "qwen3", "mistral", "gemma", "gemma4_text", "phi", "phi3", "glm", "glm4", "olmo2", "granite",
    "cohere", "mixtral", "qwen3_moe", "deepseek_v3", "glm4_moe", "gpt_neox", "starcoder2", "stablelm",
]  # fmt: skip


def counted(shapes: dict[str, tuple[int, ...]]) -> tuple[WeightMatrix, ...]:
    return (*weight_matrices(shapes), *outer_matrices(shapes))


def shapes_of(family: str) -> tuple[dict[str, Tensor], dict[str, tuple[int, ...]]]:
    weights = {name: parameter.detach() for name, parameter in family_model(family).named_parameters()}
    return weights, {name: tuple(weight.shape) for name, weight in weights.items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_number_of_a_matrix_is_counted_once(family: str) -> None:
    weights, shapes = shapes_of(family)
    marks = {name: torch.zeros(shape, dtype=torch.int64) for name, shape in shapes.items()}
    for matrix in counted(shapes):
        part = matrix.of(marks)
        assert part.ndim == 2
        part += 1
    for name, mark in marks.items():
        expected = mark.ndim >= 2 and "bias" not in name and min(mark.shape) > 1
        assert bool((mark == int(expected)).all()), name
    names = [matrix.name for matrix in counted(shapes)]
    assert len(set(names)) == len(names)
    assert [m.layer for m in weight_matrices(shapes)] == sorted(m.layer for m in weight_matrices(shapes))
    rest = left_out(shapes, counted(shapes))
    whole = sum(math.prod(shape) for shape in shapes.values())
    assert sum(row.numbers for row in rest) + sum(m.of(weights).numel() for m in counted(shapes)) == whole


@pytest.mark.parametrize(("family", "plain"), [("phi3", "mistral"), ("glm4", "mistral")], ids=["phi3", "glm4"])
def test_fused_matrices_are_those_of_a_family_that_does_not_fuse(family: str, plain: str) -> None:
    weights, shapes = shapes_of(family)
    _, apart = shapes_of(plain)
    found = {(m.layer, m.part): tuple(m.of(weights).shape) for m in weight_matrices(shapes)}
    assert found == {(m.layer, m.part): apart[m.parameter] for m in weight_matrices(apart)}


def test_the_parts_of_phi3_are_what_its_attention_and_mlp_compute_with() -> None:
    """Queries, keys and values are slices of the projection's output; gate and up halves of the other's."""
    model = family_model("phi3")
    weights = dict(model.named_parameters())
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    parts = {m.part: m.of(weights) for m in weight_matrices(shapes) if m.layer == 0}
    states = torch.randn(1, 3, 32)
    layer = model.model.layers[0]
    fused = layer.self_attn.qkv_proj(states)
    heads, width = model.config.num_attention_heads, model.config.hidden_size // model.config.num_attention_heads
    keys = model.config.num_key_value_heads * width
    for part, piece in zip("qkv", fused.split([heads * width, keys, keys], dim=-1), strict=True):
        torch.testing.assert_close(states @ parts[f"{part}_proj"].T, piece)
    gate, up = states @ parts["gate_proj"].T, states @ parts["up_proj"].T
    torch.testing.assert_close(layer.mlp.down_proj(up * torch.nn.functional.silu(gate)), layer.mlp(states))


@pytest.mark.parametrize("family", ["mixtral", "qwen3_moe"])
def test_stacked_experts_are_those_that_a_file_holds_one_by_one(family: str) -> None:
    from transformers.core_model_loading import revert_weight_conversion

    model = family_model(family)
    stacked = {name: parameter.detach() for name, parameter in model.named_parameters()}
    single = revert_weight_conversion(model, dict(stacked))
    one, other = (
        sorted(
            float(torch.linalg.vector_norm(m.of(weights)))
            for m in weight_matrices({n: w.shape for n, w in weights.items()})
        )
        for weights in (stacked, single)
    )
    assert one == pytest.approx(other, rel=1e-6) and len(one) > 20


def test_experts_stand_in_the_order_of_numbers() -> None:
    shapes = {f"model.layers.0.mlp.experts.{e}.up_proj.weight": (4, 4) for e in range(12)}
    assert [m.part for m in weight_matrices(shapes)] == [f"experts.{e}.up_proj" for e in range(12)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("model.layers.3.self_attn.o_proj.weight", "attention"),
        ("transformer.h.3.attn.c_attn.weight", "attention"),
        ("gpt_neox.layers.3.attention.dense.weight", "attention"),
        ("model.layers.3.linear_attn.in_proj_qkvz.weight", "attention"),
        ("backbone.layers.3.mixer.in_proj.weight", "attention"),
        ("model.layers.3.block_sparse_moe.gate.weight", "mlp"),
        ("model.layers.3.feed_forward.w1.weight", "mlp"),
        ("model.decoder.layers.3.fc1.weight", "mlp"),
        ("model.layers.3.mlp.shared_expert.up_proj.weight", "mlp"),
        ("model.layers.3.post_attention_layernorm.weight", None),
        ("model.layers.3.post_feedforward_layernorm.weight", None),
        ("vision_tower.encoder.layers.3.self_attn.q_proj.weight", None),
        ("model.visual.blocks.3.attn.qkv.weight", None),
        ("lm_head.weight", None),
    ],
)
def test_a_parameter_is_placed_by_its_name(name: str, kind: str | None) -> None:
    place = parse_parameter(name)
    assert (place and place.kind) == kind
    assert place is None or place.layer == 3


def test_what_is_left_out_is_said() -> None:
    shapes = {
        "model.layers.0.mlp.up_proj.weight": (6, 10),
        "model.layers.0.linear_attn.conv1d.weight": (10, 1, 3),
        "model.norm.weight": (10,),
    }
    rows = left_out(shapes, weight_matrices(shapes))
    assert left_out_line(rows, 100) == (
        "left out: model.layers.*.linear_attn.conv1d.weight, 1 vector (norms, biases), 40.00% of all weights"
    )


@pytest.mark.parametrize("family", ["phi3", "mixtral", "qwen3_moe", "glm4"])
def test_the_spectrum_of_an_update_counts_fused_and_expert_matrices(family: str) -> None:
    weights, shapes = shapes_of(family)
    noise = torch.Generator().manual_seed(0)
    trained = {name: weight + 0.01 * torch.randn(weight.shape, generator=noise) for name, weight in weights.items()}
    rows = analyse_update(weights, trained)
    inside = sum(row.rows * row.columns for row in rows)
    outside = sum(math.prod(shapes[m.parameter]) for m in outer_matrices(shapes))
    assert inside + outside == sum(w.numel() for n, w in weights.items() if w.ndim >= 2 and "bias" not in n)
