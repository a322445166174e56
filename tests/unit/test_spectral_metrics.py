"""Table 1's metrics against closed forms and a second implementation in numpy."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from effopd.spectral import metrics
from effopd.spectral.decomposition import TOP_K
from effopd.spectral.metrics import (
    MatrixMetrics,
    average_metrics,
    effective_rank,
    embedding_cosine,
    layer_update_norms,
    spectral_frobenius_ratio,
    spectral_norm,
    top1_norm_ratio,
    update_metrics,
)
from effopd.spectral.modules import WeightMatrix, weight_matrices


def values(*singular_values: float) -> Tensor:
    return torch.tensor(singular_values, dtype=torch.float64)


def place(name: str) -> WeightMatrix:
    (found,) = weight_matrices({name: (2, 2)})
    return found


def metrics_of(update: Tensor, base: Tensor | None = None, name: str = "layers.2.mlp.up_proj.weight") -> MatrixMetrics:
    base = torch.ones_like(update) if base is None else base
    return update_metrics(place(name), base, base.double() + update, top_k=TOP_K)


def test_effective_rank_weighs_sigma_and_not_sigma_squared() -> None:
    """σ = (3, 1): p = (¾, ¼), so exp(H) = 4 / 3^¾. With σ² it would be p = (.9, .1)."""
    assert effective_rank(values(3, 1)) == pytest.approx(4 / 3**0.75, rel=1e-14)
    squared = math.exp(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))
    assert abs(effective_rank(values(3, 1)) - squared) > 0.3


def test_top1_ratio_takes_the_root_of_squared_values() -> None:
    """σ = (4, 3), k = 1: √(16 / 25), neither 4/7 (plain sums) nor 16/25 (energy)."""
    assert top1_norm_ratio(values(4, 3)) == pytest.approx(0.8, rel=1e-14)


@pytest.mark.parametrize(("r", "k"), [(1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (201, 3)])
def test_top1_ratio_rounds_one_per_cent_of_the_rank_up(r: int, k: int) -> None:
    assert top1_norm_ratio(torch.ones(r, dtype=torch.float64)) == pytest.approx(math.sqrt(k / r), rel=1e-12)


@pytest.mark.parametrize("r", [1, 7, 250])
def test_identity_spreads_over_all_directions(r: int) -> None:
    found = metrics_of(0.5 * torch.eye(r))
    assert found.spectral_norm == pytest.approx(0.5)
    assert found.update_norm == pytest.approx(0.5 * math.sqrt(r))
    assert found.spectral_frobenius_ratio == pytest.approx(1 / math.sqrt(r))
    assert found.effective_rank == pytest.approx(r)


def test_rank_one_update_is_one_direction() -> None:
    found = metrics_of(torch.outer(torch.arange(1.0, 9), torch.arange(1.0, 6)))
    norm = math.sqrt(sum(i * i for i in range(1, 9)) * sum(i * i for i in range(1, 6)))
    assert found.spectral_norm == pytest.approx(norm)
    assert found.spectral_frobenius_ratio == pytest.approx(1)
    assert found.effective_rank == pytest.approx(1, abs=1e-10)
    assert found.top1_norm_ratio == pytest.approx(1)


@given(rows=st.integers(1, 110), columns=st.integers(1, 110), scale=st.floats(1e-6, 1e3), seed=st.integers(0, 999))
@settings(max_examples=12, deadline=None)
def test_metrics_agree_with_numpy_and_do_not_depend_on_the_basis(
    rows: int, columns: int, scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    update, base = scale * rng.standard_normal((rows, columns)), rng.standard_normal((rows, columns))
    sigma = np.linalg.svd(update, compute_uv=False)
    p = sigma / sigma.sum()
    expected = {
        "spectral_norm": np.linalg.norm(update, 2),
        "update_norm": np.sqrt((update**2).sum()),
        "relative_update_norm": np.sqrt((update**2).sum()) / np.sqrt((base**2).sum()),
        "spectral_frobenius_ratio": np.linalg.norm(update, 2) / np.linalg.norm(update),
        "effective_rank": np.exp(-(p * np.log(p)).sum()),
        "top1_norm_ratio": np.sqrt((sigma[: math.ceil(len(sigma) / 100)] ** 2).sum() / (sigma**2).sum()),
    }
    rotation = np.linalg.qr(rng.standard_normal((rows, rows)))[0]
    for matrix in (update, rotation @ update):
        found = dataclasses.asdict(metrics_of(torch.from_numpy(matrix), torch.from_numpy(base)))
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, rel=2e-6), name
        assert (found["rows"], found["columns"]) == (rows, columns)


def test_metric_functions_on_one_spectrum() -> None:
    spectrum = values(2, 1, 1, 1, 1, 1)
    assert spectral_norm(spectrum) == 2
    assert spectral_frobenius_ratio(spectrum) == pytest.approx(2 / 3)


def test_zero_updates_are_left_out_of_averages_and_counted() -> None:
    moved = [metrics_of(torch.diag(values(3, 4))), metrics_of(torch.diag(values(6, 8)))]
    average = average_metrics([*moved, metrics_of(torch.zeros(2, 2))])
    assert (average.matrices, average.zero_updates) == (2, 1)
    assert average.spectral_norm == pytest.approx(6)
    assert average.update_norm == pytest.approx(7.5)
    assert average.spectral_frobenius_ratio == pytest.approx(0.8)
    assert average.total_update_norm == pytest.approx(math.sqrt(125))


def test_zero_update_has_norms_but_no_ratios() -> None:
    found = metrics_of(torch.zeros(3, 2))
    assert (found.spectral_norm, found.update_norm, found.relative_update_norm) == (0, 0, 0)
    assert (found.spectral_frobenius_ratio, found.effective_rank, found.top1_norm_ratio) == (None, None, None)


def test_only_zero_updates_average_to_nothing_rather_than_nan() -> None:
    average = average_metrics([metrics_of(torch.zeros(3, 2))])
    assert (average.matrices, average.zero_updates, average.total_update_norm) == (0, 1, 0)
    assert average.effective_rank is None and average.spectral_norm is None
    with pytest.raises(ValueError, match="no matrices"):
        average_metrics([])


def test_large_and_small_matrices_count_the_same() -> None:
    average = average_metrics([metrics_of(torch.eye(2)), metrics_of(torch.eye(40))])
    assert average.effective_rank == pytest.approx(21)


def test_relative_norm_of_a_zero_base_is_undefined() -> None:
    assert metrics_of(torch.eye(2), torch.zeros(2, 2)).relative_update_norm is None


def test_layer_norms_add_in_quadrature_and_keep_attention_and_mlp_apart() -> None:
    rows = [
        metrics_of(3 * torch.eye(1), 5 * torch.eye(1), "layers.0.self_attn.q_proj.weight"),
        metrics_of(4 * torch.eye(1), 12 * torch.eye(1), "layers.0.self_attn.o_proj.weight"),
        metrics_of(7 * torch.eye(1), 2 * torch.eye(1), "layers.0.mlp.up_proj.weight"),
        metrics_of(torch.zeros(1, 1), torch.eye(1), "layers.1.mlp.up_proj.weight"),
    ]
    found = {(norm.layer, norm.kind): norm for norm in layer_update_norms(rows)}
    assert found[0, "attention"].update_norm == pytest.approx(5)
    assert found[0, "attention"].relative_update_norm == pytest.approx(5 / 13)
    assert found[0, "mlp"].relative_update_norm == pytest.approx(3.5)
    assert found[1, "mlp"].update_norm == 0
    assert len(found) == 3


def test_embedding_cosine_is_a_mean_over_rows_and_not_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows at 0°, 60°, 90° and 180°, of very different lengths, in more than one chunk; padding rows are counted."""
    monkeypatch.setattr(metrics, "_ROWS_AT_ONCE", 2)
    base = torch.tensor([[1.0, 0], [1, 0], [100, 0], [0, 2], [0, 0], [1, 1]])
    trained = torch.tensor([[9.0, 0], [0.5, math.sqrt(0.75)], [0, 1], [0, -5], [1, 1], [0, 0]])
    found = embedding_cosine(base, trained)
    assert found.mean == pytest.approx((1 + 0.5 + 0 - 1) / 4, abs=1e-7)
    assert (found.rows, found.zero_rows) == (4, 2)


def test_embedding_cosine_of_itself_is_exactly_one_at_most() -> None:
    base = torch.randn(50, 7, generator=torch.Generator().manual_seed(0))
    cosine = embedding_cosine(base, base.clone()).mean
    assert cosine is not None and 1 - 1e-12 < cosine <= 1
    assert embedding_cosine(torch.zeros(2, 3), base[:2, :3]).mean is None
    with pytest.raises(ValueError, match=r"one shape, got \(50, 7\) and \(49, 7\)"):
        embedding_cosine(base, base[:49])
