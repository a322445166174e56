"""Whole models and runs: real Hugging Face parameter names, planted trajectories, streaming, errors that name."""

from collections.abc import Callable, Mapping
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from effopd.spectral.analysis import analyse_trajectory, analyse_update
from effopd.spectral.modules import embedding_name, has_tied_head, parse_parameter, weight_matrices

SIZES = {
    "vocab_size": 11,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 12,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
}
SHAPES = {"self_attn.q_proj": (6, 5), "self_attn.v_proj": (3, 5), "mlp.up_proj": (9, 5), "mlp.down_proj": (5, 9)}
NAMES = [f"model.layers.{layer}.{part}.weight" for layer in range(2) for part in SHAPES]


def shape_of(name: str) -> tuple[int, int]:
    return SHAPES[name.removesuffix(".weight").split(".", 3)[3]]


PLACES = {name: shape_of(name) for name in NAMES}


def random_weights(seed: int, scale: float = 1.0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: scale * torch.randn(shape_of(name), generator=generator) for name in NAMES}


def plus(base: Mapping[str, Tensor], update: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: base[name] + update[name] for name in base}


def loader(checkpoints: dict[int, dict[str, Tensor]]) -> Callable[[int, str], Tensor]:
    return lambda step, name: checkpoints[step][name]


@pytest.mark.parametrize(
    ("model_class", "config_class"),
    [(Qwen2ForCausalLM, Qwen2Config), (Qwen3ForCausalLM, Qwen3Config), (LlamaForCausalLM, LlamaConfig)],
)
@pytest.mark.parametrize("tied", [True, False])
def test_every_projection_of_a_real_model_is_found_and_nothing_else(
    model_class: type, config_class: type, tied: bool
) -> None:
    with torch.device("meta"):
        model = model_class(config_class(**SIZES, tie_word_embeddings=tied))
    names = list(model.state_dict())
    shapes = {name: weight.shape for name, weight in reversed(model.state_dict().items())}
    matrices = weight_matrices(shapes)
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    assert {matrix.name for matrix in matrices} == linear - {"lm_head.weight"}
    assert [matrix.layer for matrix in matrices] == [layer for layer in range(12) for _ in range(7)]  # 10 after 9
    parts = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    assert [matrix.part for matrix in matrices[:7]] == parts
    assert [matrix.kind for matrix in matrices[:7]] == ["attention"] * 4 + ["mlp"] * 3
    assert embedding_name(names) == "model.embed_tokens.weight"


def test_biases_and_query_norms_belong_to_their_module_without_being_matrices() -> None:
    for part in ("q_proj.bias", "q_norm.weight"):
        parameter = parse_parameter(f"model.layers.3.self_attn.{part}")
        assert parameter is not None
        assert (parameter.layer, parameter.kind) == (3, "attention")
        shapes = {parameter.name: (16,), "layers.3.self_attn.o_proj.weight": (16, 16)}
        assert [matrix.part for matrix in weight_matrices(shapes)] == ["o_proj"]
    for name in ("model.layers.3.input_layernorm.weight", "model.norm.weight", "lm_head.weight", "xlayers.3.mlp.a"):
        assert parse_parameter(name) is None


def test_names_of_another_architecture_are_an_error_and_not_an_empty_table() -> None:
    with pytest.raises(ValueError, match="no attention or MLP weight matrix among 1 parameters"):
        weight_matrices({"encoder.block_7.dense.weight": (4, 4)})
    with pytest.raises(ValueError, match="found 0: none"):
        embedding_name(["transformer.codebook.weight"])


def test_tied_heads_are_seen_in_live_models_and_in_copies() -> None:
    tied = Qwen3ForCausalLM(Qwen3Config(**SIZES, tie_word_embeddings=True)).state_dict()
    separate = Qwen3ForCausalLM(Qwen3Config(**SIZES, tie_word_embeddings=False)).state_dict()
    assert has_tied_head(tied) and has_tied_head({name: weight.clone() for name, weight in tied.items()})
    assert not has_tied_head(separate)
    assert not has_tied_head({name: weight for name, weight in tied.items() if name != "lm_head.weight"})


def test_rows_match_numpy_and_ignore_other_parameters() -> None:
    base = random_weights(0)
    trained = plus(base, random_weights(1, 0.01))
    extra = {"model.embed_tokens.weight": torch.zeros(3, 5), "model.norm.weight": torch.ones(5)}
    rows = analyse_update(base | extra, trained | extra)
    assert [row.name for row in rows] == NAMES
    for row in rows:
        update = trained[row.name].double().numpy() - base[row.name].double().numpy()
        assert row.spectral_norm == pytest.approx(np.linalg.norm(update, 2), rel=1e-12)
        assert row.relative_update_norm == pytest.approx(
            np.linalg.norm(update) / np.linalg.norm(base[row.name].double().numpy()), rel=1e-12
        )


def test_updates_below_the_resolution_of_the_weights_dtype_are_subtracted_exactly() -> None:
    """bf16 holds 1.0 and 2⁻¹² but not their difference, which a subtraction in bf16 rounds to 1."""
    base = {NAMES[0]: torch.full(shape_of(NAMES[0]), 2.0**-12, dtype=torch.bfloat16)}
    trained = {NAMES[0]: torch.ones(shape_of(NAMES[0]), dtype=torch.bfloat16)}
    (row,) = analyse_update(base, trained)
    assert row.spectral_norm == pytest.approx((1 - 2**-12) * 30**0.5, rel=1e-12)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (torch.zeros(2, 2), r"layers\.0\.self_attn\.q_proj\.weight: base has shape \(6, 5\), trained has \(2, 2\)"),
        (torch.zeros(6, 5, dtype=torch.int8), r"q_proj\.weight: trained weights are torch\.int8"),
        (torch.full((6, 5), float("inf")), r"q_proj\.weight: trained weights are not all finite"),
        (None, r"q_proj\.weight: missing from the trained weights"),
    ],
)
def test_errors_name_the_parameter(broken: Tensor | None, message: str) -> None:
    base = random_weights(0)
    trained = dict(base)
    del trained[NAMES[0]]
    if broken is not None:
        trained[NAMES[0]] = broken
    with pytest.raises(ValueError, match=message) as error:
        analyse_update(base, trained)
    assert "\n" not in str(error.value)
    if broken is not None:
        with pytest.raises(ValueError, match=r"step 4, model\.layers\.0\.self_attn\.q_proj"):
            analyse_trajectory(loader({0: base, 4: trained}), PLACES, [4])


@pytest.mark.parametrize("steps", [[], [0, 1], [2, 1], [1, 1]])
def test_steps_that_do_not_ascend_from_the_base_are_refused(steps: list[int]) -> None:
    with pytest.raises(ValueError, match="steps must ascend strictly"):
        analyse_trajectory(loader({}), PLACES, steps)


def straight_run(steps: list[int]) -> dict[int, dict[str, Tensor]]:
    """Lock-in: one direction per matrix from the first step, longer and longer."""
    base, direction = random_weights(0), random_weights(1, 0.01)
    doubles = {name: weight.double() for name, weight in base.items()}
    return {0: doubles} | {t: plus(doubles, {name: t * w.double() for name, w in direction.items()}) for t in steps}


def test_a_straight_run_is_aligned_from_the_start_and_a_random_one_is_not() -> None:
    straight = analyse_trajectory(loader(straight_run([1, 2, 4, 8])), PLACES, [1, 2, 4, 8], top_k=3)
    base = random_weights(0)
    wandering = {0: base} | {t: plus(base, random_weights(t, 0.01)) for t in (1, 2, 4, 8)}
    random = analyse_trajectory(loader(wandering), PLACES, [1, 2, 4, 8], top_k=3)
    for side in ("left", "right"):
        for row in straight.average_alignment(side):  # type: ignore[arg-type]
            assert row.top_k_cosine == pytest.approx(1, abs=1e-9)
            assert row.principal_angle == pytest.approx(1, abs=1e-9)
            assert row.principal_angle_radians == pytest.approx(0, abs=1e-6)
            assert (row.matrices, row.zero_updates) == (len(NAMES), 0)
    assert straight.explained_variance() == 1
    assert [row.progress for row in straight.average_alignment()] == [1 / 8, 1 / 4, 1 / 2, 1]
    early, *_, last = random.average_alignment()
    assert last.top_k_cosine == pytest.approx(1)
    assert early.top_k_cosine is not None and early.top_k_cosine < 0.8
    evr = random.explained_variance()
    assert evr is not None and evr < 0.99


def test_left_and_right_sides_are_not_mixed_up() -> None:
    """Every update keeps its u_1 = e_0 and turns its v_1."""
    base = {NAMES[0]: torch.zeros(6, 5)}
    run = {0: base}
    for step in range(1, 5):
        update = torch.zeros(6, 5)
        update[0, step] = step
        run[step] = {NAMES[0]: update}
    analysis = analyse_trajectory(loader(run), {NAMES[0]: PLACES[NAMES[0]]}, [1, 2, 3, 4])
    left, right = analysis.average_alignment()[0], analysis.average_alignment("right")[0]
    assert (left.top_k_cosine, right.top_k_cosine) == (1, 0)
    assert analysis.explained_variance() == 1
    assert analysis.explained_variance("right") == pytest.approx(2 / 3)  # four orthonormal vectors


def test_matrices_that_have_not_moved_are_counted_and_do_not_dilute() -> None:
    run = straight_run([1, 2, 3, 4, 5])
    run[1] = run[1] | {NAMES[0]: run[0][NAMES[0]]}
    analysis = analyse_trajectory(loader(run), PLACES, [1, 2, 3, 4, 5], top_k=3)
    first = analysis.average_alignment()[0]
    assert (first.matrices, first.zero_updates) == (len(NAMES) - 1, 1)
    assert first.top_k_cosine == pytest.approx(1, abs=1e-9)
    assert analysis.averages()[1].zero_updates == 1
    assert {path.name: path.checkpoints for path in analysis.paths}[NAMES[0]] == 4
    assert {path.name: path.checkpoints for path in analysis.paths}[NAMES[1]] == 5


def test_metrics_of_a_run_are_those_of_each_checkpoint_alone() -> None:
    run = straight_run([1, 2, 4])
    analysis = analyse_trajectory(loader(run), PLACES, [1, 2, 4])
    for step in (1, 2, 4):
        for found, alone in zip(analysis.metrics[step], analyse_update(run[0], run[step]), strict=True):
            place, numbers = list(asdict(found).values())[:4], list(asdict(found).values())[4:]
            assert place == list(asdict(alone).values())[:4]
            assert numbers == pytest.approx(list(asdict(alone).values())[4:], rel=1e-9, abs=1e-9)


def test_weights_are_read_once_and_matrix_by_matrix() -> None:
    """Memory: a loader that reads from disk is never asked for a second matrix while one is being worked on."""
    run, asked = straight_run([1, 2, 4]), []

    def load(step: int, name: str) -> Tensor:
        asked.append((step, name))
        return run[step][name]

    analyse_trajectory(load, PLACES, [1, 2, 4])
    assert sorted(asked) == sorted((step, name) for step in (0, 1, 2, 4) for name in NAMES)
    assert [name for _, name in asked] == [name for name in NAMES for _ in range(4)]


def test_rows_become_tables_with_plain_columns() -> None:
    analysis = analyse_trajectory(loader(straight_run([1, 2])), PLACES, [1, 2])
    for rows in (analysis.metrics[1], analysis.alignment, analysis.paths, analysis.average_alignment()):
        table = pa.Table.from_pylist([asdict(row) for row in rows])
        assert table.num_rows == len(rows)
        assert not any(pa.types.is_nested(column.type) for column in table.schema)
