"""Interventions on planted updates: exact ends, exact norms, exact complements, errors that name the parameter."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import Qwen3Config, Qwen3ForCausalLM

from effopd.interventions.scaling import alpha_scaling, magnitude_rescaling, unmoved, update_norm
from effopd.interventions.selection import embedding_replacement, sliding_window
from effopd.interventions.truncation import rank_truncation_bottom, rank_truncation_top

Weights = dict[str, Tensor]
LAYERS = 5
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
UP = "model.layers.0.mlp.up_proj.weight"


def model(seed: int, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Weights:
    generator = torch.Generator().manual_seed(seed)
    shapes: dict[str, tuple[int, ...]] = {EMBEDDING: (12, 8), HEAD: (12, 8), "model.norm.weight": (8,)}
    for layer in range(LAYERS):
        shapes[f"model.layers.{layer}.self_attn.q_proj.weight"] = (10, 8)
        shapes[f"model.layers.{layer}.self_attn.q_proj.bias"] = (10,)
        shapes[f"model.layers.{layer}.self_attn.q_norm.weight"] = (5,)
        shapes[f"model.layers.{layer}.mlp.up_proj.weight"] = (20, 8)
        shapes[f"model.layers.{layer}.input_layernorm.weight"] = (8,)
    return {name: scale * torch.randn(shape, generator=generator).to(dtype) for name, shape in shapes.items()}


def trained_from(base: Weights, seed: int, scale: float = 0.01) -> Weights:
    return {name: base[name] + weight.to(base[name].dtype) for name, weight in model(seed, scale).items()}


def same_bits(first: Weights, second: Weights) -> bool:
    assert first.keys() == second.keys()
    return all(
        first[name].dtype == second[name].dtype
        and first[name].contiguous().view(torch.uint8).equal(second[name].contiguous().view(torch.uint8))
        for name in first
    )


def delta(base: Weights, weights: Weights, name: str) -> np.ndarray:
    return weights[name].double().numpy() - base[name].double().numpy()


@pytest.fixture
def base() -> Weights:
    weights = model(0)
    weights["model.norm.weight"][:2] = torch.tensor([-0.0, 1e-30])  # sums lose both
    return weights


@pytest.fixture
def trained(base: Weights) -> Weights:
    weights = trained_from(base, 1)
    weights["model.norm.weight"][:3] = torch.tensor([-0.0, 3.0, 1e-30])
    return weights


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_alpha_zero_is_the_base_and_alpha_one_the_trained_model_bit_for_bit(dtype: torch.dtype) -> None:
    base = model(0, dtype=dtype)
    base["model.norm.weight"][:3] = torch.tensor([-0.0, 1e-30, 1.0], dtype=dtype)
    trained = trained_from(base, 1)
    trained["model.norm.weight"][:3] = torch.tensor([-0.0, 3.0, 1e-30], dtype=dtype)
    assert same_bits(alpha_scaling(base, trained, 0), base)
    assert same_bits(alpha_scaling(base, trained, 1), trained)


@given(alpha=st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_alpha_scaling_is_the_straight_line(alpha: float) -> None:
    base = model(0)
    trained = trained_from(base, 1)
    scaled = alpha_scaling(base, trained, alpha)
    for name in base:
        line = base[name].double().numpy() + alpha * delta(base, trained, name)
        np.testing.assert_array_equal(scaled[name].numpy(), line.astype(np.float32))


def test_results_share_no_memory_with_their_inputs(base: Weights, trained: Weights) -> None:
    """Otherwise training on from an intervention would change the stored base."""
    before = {name: weight.clone() for name, weight in base.items()}
    after = {name: weight.clone() for name, weight in trained.items()}
    results = [
        alpha_scaling(base, trained, 0),
        alpha_scaling(base, trained, 1),
        sliding_window(base, trained, 2, 1, "mlp"),
        embedding_replacement(base, trained),
        rank_truncation_top(base, trained, 100),
        rank_truncation_bottom(base, trained, 100),
        rank_truncation_bottom(base, trained, 1),
        magnitude_rescaling(base, base, trained),
    ]
    for result in results:
        for weight in result.values():
            weight.fill_(7)
    assert same_bits(base, before) and same_bits(trained, after)


def test_buffers_of_integers_pass_through(base: Weights, trained: Weights) -> None:
    places = {"model.layers.0.mlp.experts_of_tokens": torch.arange(12).reshape(3, 4)}
    before, after = base | places, trained | places
    for made in (
        alpha_scaling(before, after, 0.3),
        magnitude_rescaling(before, after, after),
        sliding_window(before, after, 1, 0, "mlp"),
        rank_truncation_top(before, after, 50),
        rank_truncation_bottom(before, after, 50),
    ):
        assert all(made[name].equal(place) for name, place in places.items())
    with pytest.raises(ValueError, match=r"experts_of_tokens: base weights are torch\.int64"):
        alpha_scaling(before, after | {name: place + 1 for name, place in places.items()}, 0.3)


def test_the_length_of_an_update_is_over_all_parameters_and_scales_with_alpha(base: Weights) -> None:
    run = trained_from(base, 2, 0.05)
    flat = np.concatenate([delta(base, run, name).ravel() for name in base])
    assert update_norm(base, run) == pytest.approx(np.linalg.norm(flat), rel=1e-12)
    assert update_norm(base, alpha_scaling(base, run, 0.3)) == pytest.approx(0.3 * np.linalg.norm(flat), rel=1e-6)


def test_rescaling_keeps_each_direction_and_takes_each_final_norm(base: Weights) -> None:
    early, final = trained_from(base, 1, 0.01), trained_from(base, 2, 0.3)
    rescaled = magnitude_rescaling(base, early, final)
    for name in base:
        found, start, end = (delta(base, weights, name).ravel() for weights in (rescaled, early, final))
        assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(end), rel=1e-6), name
        cosine = found @ start / np.linalg.norm(found) / np.linalg.norm(start)
        assert cosine == pytest.approx(1, abs=1e-6), name


@pytest.mark.parametrize("beta", [0.5, 0.8, 1.2])
def test_beta_interpolates_between_the_early_and_the_final_norm(base: Weights, beta: float) -> None:
    early, final = trained_from(base, 1, 0.01), trained_from(base, 2, 0.3)
    rescaled = magnitude_rescaling(base, early, final, beta)
    for name in base:
        found, start, end = (np.linalg.norm(delta(base, weights, name)) for weights in (rescaled, early, final))
        assert found == pytest.approx(start + beta * (end - start), rel=1e-6), name


def test_rescaling_to_its_own_norm_and_beta_zero_change_no_bit(base: Weights, trained: Weights) -> None:
    assert same_bits(magnitude_rescaling(base, trained, trained), trained)
    assert same_bits(magnitude_rescaling(base, trained, trained_from(base, 2), beta=0), trained)


def test_a_parameter_without_a_direction_stays_at_the_base_and_is_listed(base: Weights) -> None:
    early, final = trained_from(base, 1), trained_from(base, 2)
    early[UP] = base[UP].clone()
    assert unmoved(base, early) == (UP,)
    assert magnitude_rescaling(base, early, final)[UP].equal(base[UP])


@pytest.mark.parametrize(("kind", "module"), [("mlp", ".mlp."), ("attention", ".self_attn.")])
@pytest.mark.parametrize(
    ("centre", "half_width", "layers"), [(2, 1, {1, 2, 3}), (0, 1, {0, 1}), (4, 2, {2, 3, 4}), (3, 0, {3})]
)
def test_a_window_injects_one_kind_of_module_in_its_layers_only(
    base: Weights, trained: Weights, kind: str, module: str, centre: int, half_width: int, layers: set[int]
) -> None:
    windowed = sliding_window(base, trained, centre, half_width, kind)  # type: ignore[arg-type]
    for name in base:
        inside = module in name and int(name.split(".")[2]) in layers
        assert windowed[name].equal(trained[name] if inside else base[name]), name


def test_windows_over_all_layers_are_the_whole_update_of_both_kinds(base: Weights, trained: Weights) -> None:
    for centre in range(LAYERS):
        mlp = sliding_window(base, trained, centre, LAYERS, "mlp")
        both = sliding_window(mlp, trained, centre, LAYERS, "attention")
        expected = {n: trained[n] if ".mlp." in n or ".self_attn." in n else base[n] for n in base}
        assert same_bits(both, expected)


def test_windows_that_do_not_exist_are_refused(base: Weights, trained: Weights) -> None:
    for centre in (-1, LAYERS):
        with pytest.raises(ValueError, match=f"centre must be a layer from 0 to 4, got {centre}"):
            sliding_window(base, trained, centre, 1, "mlp")
    with pytest.raises(ValueError, match="half_width must be at least 0"):
        sliding_window(base, trained, 1, -1, "mlp")
    with pytest.raises(ValueError, match="no mlp parameters among 1"):
        sliding_window({EMBEDDING: base[EMBEDDING]}, {EMBEDDING: trained[EMBEDDING]}, 0, 1, "mlp")


def test_embedding_replacement_leaves_a_separate_head_trained(base: Weights, trained: Weights) -> None:
    replaced = embedding_replacement(base, trained)
    assert same_bits(replaced, trained | {EMBEDDING: base[EMBEDDING]})


def test_tied_heads_follow_their_embedding_and_count_once() -> None:
    """A real tied model's state dict lists the shared matrix twice."""
    config = Qwen3Config(
        vocab_size=12,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        tie_word_embeddings=True,
    )
    base = Qwen3ForCausalLM(config).state_dict()
    live = Qwen3ForCausalLM(config)
    trained = live.state_dict()
    assert base[HEAD].data_ptr() == base[EMBEDDING].data_ptr()
    for weights in (
        embedding_replacement(base, trained),
        alpha_scaling(base, trained, 0.3),
        magnitude_rescaling(base, trained, alpha_scaling(base, trained, 0.5)),
        rank_truncation_top(base, trained, 30),
        rank_truncation_bottom(base, trained, 30),
    ):
        assert weights[HEAD].equal(weights[EMBEDDING])
    assert embedding_replacement(base, trained)[HEAD].equal(base[EMBEDDING])
    saved_base, saved_trained = ({n: w for n, w in m.items() if n != HEAD} for m in (base, trained))
    assert update_norm(base, trained) == update_norm(saved_base, saved_trained)
    live.load_state_dict(embedding_replacement(base, trained))
    assert live.lm_head.weight.equal(base[EMBEDDING])
    with pytest.raises(ValueError, match=r"lm_head\.weight: missing from the base weights .*leave it out of both"):
        alpha_scaling(saved_base, trained, 0.5)


def planted_pair(values: list[float]) -> tuple[Weights, Weights, Tensor, Tensor]:
    """A float64 model with one matrix whose update has known components, and a vector."""
    generator = torch.Generator().manual_seed(0)
    count = len(values)
    left = torch.linalg.qr(torch.randn(30, count, generator=generator, dtype=torch.float64))[0]
    right = torch.linalg.qr(torch.randn(count, count, generator=generator, dtype=torch.float64))[0]
    base = {UP: torch.zeros(30, count, dtype=torch.float64), "model.norm.weight": torch.ones(4, dtype=torch.float64)}
    update = (left * torch.tensor(values, dtype=torch.float64)) @ right.T
    return base, {UP: base[UP] + update, "model.norm.weight": 1 + base["model.norm.weight"]}, left, right


def test_top_components_are_kept_and_rescaled_to_the_whole_norm() -> None:
    values = [2.0**-j for j in range(10)]
    base, trained, left, right = planted_pair(values)
    for percent, kept in ((1, 1), (10, 1), (11, 2), (30, 3)):
        found = rank_truncation_top(base, trained, percent)
        top = (left[:, :kept] * torch.tensor(values[:kept], dtype=torch.float64)) @ right[:, :kept].T
        norm = math.sqrt(sum(value**2 for value in values))
        expected = top * norm / math.sqrt(sum(value**2 for value in values[:kept]))
        torch.testing.assert_close(found[UP], expected, atol=1e-10, rtol=0)
        assert found["model.norm.weight"].equal(trained["model.norm.weight"])


def test_bottom_components_are_what_the_top_leaves_and_keep_their_size() -> None:
    values = [2.0**-j for j in range(10)]
    base, trained, left, right = planted_pair(values)
    for percent, kept in ((9, 0), (10, 1), (75, 7), (90, 9)):
        found = rank_truncation_bottom(base, trained, percent)
        tail = slice(10 - kept, 10)
        expected = (left[:, tail] * torch.tensor(values[tail], dtype=torch.float64)) @ right[:, tail].T
        torch.testing.assert_close(found[UP], expected, atol=1e-10, rtol=0)
        assert found["model.norm.weight"].equal(base["model.norm.weight"])


def test_truncation_to_everything_is_the_trained_model_bit_for_bit(base: Weights, trained: Weights) -> None:
    assert same_bits(rank_truncation_top(base, trained, 100), trained)
    assert same_bits(rank_truncation_bottom(base, trained, 100), trained)
    assert same_bits(rank_truncation_top(base, base, 10), base)
    assert same_bits(rank_truncation_bottom(base, base, 90), base)


def test_truncated_float32_models_keep_the_norm_and_lose_the_rank(base: Weights, trained: Weights) -> None:
    found = rank_truncation_top(base, trained, 25)
    for name in (UP, EMBEDDING):
        update = delta(base, found, name)
        assert np.linalg.norm(update) == pytest.approx(np.linalg.norm(delta(base, trained, name)), rel=1e-5)
        sigma = np.linalg.svd(update, compute_uv=False)
        assert sigma[1] > 0.01 and sigma[2] < 1e-5  # two of eight components, and rounding


@pytest.mark.parametrize("percent", [0, -1, 101, float("nan")])
def test_percentages_out_of_range_are_refused(base: Weights, trained: Weights, percent: float) -> None:
    for truncate in (rank_truncation_top, rank_truncation_bottom):
        with pytest.raises(ValueError, match="percent must be above 0 and at most 100"):
            truncate(base, trained, percent)


INTERVENTIONS: list[Callable[[Weights, Weights], object]] = [
    lambda base, trained: alpha_scaling(base, trained, 0.5),
    update_norm,
    lambda base, trained: magnitude_rescaling(base, trained, trained),
    lambda base, trained: magnitude_rescaling(base, base, trained),
    lambda base, trained: sliding_window(base, trained, 1, 1, "attention"),
    embedding_replacement,
    lambda base, trained: rank_truncation_top(base, trained, 10),
    lambda base, trained: rank_truncation_bottom(base, trained, 10),
]


@pytest.mark.parametrize("intervene", INTERVENTIONS)
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (None, "missing from the trained weights"),
        (torch.zeros(20, 7), r"base has shape \(20, 8\), trained has \(20, 7\)"),
        (torch.zeros(20, 8, dtype=torch.int64), r"trained weights are torch\.int64"),
        (torch.full((20, 8), float("nan")), "trained weights are not all finite"),
        (torch.zeros(20, 8, dtype=torch.bfloat16), r"base is torch\.float32, trained torch\.bfloat16"),
    ],
)
def test_unusable_parameters_are_named_in_one_line(
    base: Weights,
    trained: Weights,
    intervene: Callable[[Weights, Weights], object],
    broken: Tensor | None,
    message: str,
) -> None:
    del trained[UP]
    if broken is not None:
        trained[UP] = broken
    with pytest.raises(ValueError, match=message) as error:
        intervene(base, trained)
    assert str(error.value).startswith(UP) and "\n" not in str(error.value)


def test_numbers_that_are_not_finite_and_tensors_with_three_axes_are_refused(base: Weights, trained: Weights) -> None:
    with pytest.raises(ValueError, match="alpha must be a finite number"):
        alpha_scaling(base, trained, float("nan"))
    with pytest.raises(ValueError, match="beta must be a finite number"):
        magnitude_rescaling(base, trained, trained, float("inf"))
    cube = {"experts": torch.zeros(2, 2, 2)}
    with pytest.raises(ValueError, match="experts: rank truncation needs at most two axes"):
        rank_truncation_top(cube, cube, 10)
