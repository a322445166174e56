"""Singular values and vectors against planted spectra and numpy's SVD; the fast route only where it cannot show."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from effopd.spectral.decomposition import GRAM_TOLERANCE, _decompose_by_gram, decompose, low_rank_part

SHAPES = [(40, 16), (16, 40), (24, 24)]


def orthonormal(rows: int, columns: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(rows, columns, generator=generator, dtype=torch.float64))[0]


def planted(rows: int, columns: int, values: list[float], seed: int = 0) -> Tensor:
    values_R = torch.tensor(values, dtype=torch.float64)
    return (orthonormal(rows, len(values), seed) * values_R) @ orthonormal(columns, len(values), seed + 1).T


def entropy_rank(values: np.ndarray) -> float:
    p = values[values > 0] / values.sum()
    return float(np.exp(-np.sum(p * np.log(p))))


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_planted_singular_values_and_vectors_come_back(rows: int, columns: int) -> None:
    values = [2.0 ** -(j / 2) for j in range(16)]
    update = planted(rows, columns, values)
    found = decompose(update, top_k=5)
    assert found.singular_values.shape == (min(rows, columns),)
    torch.testing.assert_close(found.singular_values[:16], torch.tensor(values, dtype=torch.float64))
    assert found.left.shape == (rows, 5) and found.right.shape == (columns, 5)
    for vectors, planted_vectors in (
        (found.left, orthonormal(rows, 16, 0)),
        (found.right, orthonormal(columns, 16, 1)),
    ):
        cosines = (vectors.T @ planted_vectors[:, :5]).abs()
        torch.testing.assert_close(cosines, torch.eye(5, dtype=torch.float64), atol=1e-9, rtol=0)


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_vectors_of_both_sides_belong_together(rows: int, columns: int) -> None:
    """u_jᵀ ΔW v_j = +σ_j: flipping one side's sign alone would turn this negative."""
    update = torch.randn(rows, columns, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for found in (decompose(update, 6), decompose(planted(rows, columns, [3.0, 2.0, 1.0]), 6)):
        source = update if found.left.shape[1] == 6 else planted(rows, columns, [3.0, 2.0, 1.0])
        core = found.left.T @ source @ found.right
        expected = torch.diag(found.singular_values[: found.left.shape[1]])
        torch.testing.assert_close(core, expected, atol=1e-12, rtol=1e-12)


def test_full_rank_update_takes_the_fast_route_and_agrees_with_numpy() -> None:
    update = torch.randn(60, 90, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert _decompose_by_gram(update, 20) is not None
    expected = np.linalg.svd(update.numpy(), compute_uv=False)
    np.testing.assert_allclose(decompose(update).singular_values.numpy(), expected, rtol=1e-10)


def test_low_rank_update_leaves_the_fast_route_which_would_raise_its_effective_rank() -> None:
    update = planted(300, 200, [1.0])
    assert _decompose_by_gram(update, 1) is None
    gram = torch.linalg.eigvalsh(update.T @ update).clamp_min(0).sqrt().numpy()
    assert entropy_rank(gram) - 1 > 1e-6  # what the fast route would have reported
    assert entropy_rank(decompose(update).singular_values.numpy()) == pytest.approx(1, abs=1e-9)


@given(
    decades=st.floats(0, 14),
    curve=st.floats(0.3, 3),
    size=st.integers(2, 40),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_whenever_the_fast_route_is_taken_the_effective_rank_is_within_its_tolerance(
    decades: float, curve: float, size: int, seed: int
) -> None:
    values = [10 ** (-decades * (j / (size - 1)) ** curve) for j in range(size)]
    update = planted(size + 3, size, values, seed)
    fast = _decompose_by_gram(update, min(3, size))
    if fast is not None:
        exact = entropy_rank(np.array(values))
        assert entropy_rank(fast.singular_values.numpy()) == pytest.approx(exact, rel=GRAM_TOLERANCE)
        identity = torch.eye(fast.left.shape[1], dtype=torch.float64)
        torch.testing.assert_close(fast.left.T @ fast.left, identity, atol=GRAM_TOLERANCE, rtol=0)
        torch.testing.assert_close(fast.right.T @ fast.right, identity, atol=GRAM_TOLERANCE, rtol=0)


def test_signs_are_fixed_by_the_largest_entry_of_u() -> None:
    update = torch.randn(30, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found, negated = decompose(update), decompose(-update)
    assert (found.left.gather(0, found.left.abs().argmax(dim=0)[None]) > 0).all()
    torch.testing.assert_close(negated.left, found.left)
    torch.testing.assert_close(negated.right, -found.right)


def digest_of_decompositions() -> str:
    """Of one update by the fast route and one by the SVD; also the source of a program, hence its own imports."""
    import hashlib

    import torch

    from effopd.spectral.decomposition import decompose, low_rank_part

    update = torch.randn(96, 288, generator=torch.Generator().manual_seed(7))
    found = [decompose(update), decompose(low_rank_part(update, 5))]
    return hashlib.sha256(b"".join(part.numpy().tobytes() for one in found for part in vars(one).values())).hexdigest()


def test_another_process_gives_the_same_bytes() -> None:
    import torch

    source = inspect.getsource(digest_of_decompositions)
    program = (
        f"import torch\ntorch.set_num_threads({torch.get_num_threads()})\n{source}\nprint(digest_of_decompositions())"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest_of_decompositions()


def test_fewer_vectors_than_asked_for_when_the_rank_is_lower() -> None:
    found = decompose(planted(30, 25, [4.0, 2.0, 1.0]), top_k=20)
    assert found.left.shape == (30, 3) and found.right.shape == (25, 3)
    assert decompose(torch.ones(4, 3), top_k=20).left.shape == (4, 1)


def test_zero_update_has_no_vectors() -> None:
    found = decompose(torch.zeros(5, 4))
    assert found.is_zero and found.left.shape == (5, 0) and found.right.shape == (4, 0)
    assert found.singular_values.tolist() == [0, 0, 0, 0]


def test_one_row_and_one_column_decompose() -> None:
    for update in (torch.tensor([[3.0, -4.0]]), torch.tensor([[3.0], [-4.0]])):
        found = decompose(update)
        assert found.singular_values.tolist() == [5.0]
        torch.testing.assert_close(found.left @ torch.diag(found.singular_values) @ found.right.T, update.double())


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (torch.zeros(3), "non-empty matrix"),
        (torch.zeros(0, 3), "non-empty matrix"),
        (torch.ones(2, 2, dtype=torch.int64), "finite floating-point"),
        (torch.tensor([[1.0, float("nan")]]), "finite floating-point"),
    ],
)
def test_what_cannot_be_decomposed_is_refused(update: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decompose(update)


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
@pytest.mark.parametrize("rank", [0, 1, 4, 16])
def test_low_rank_part_is_the_truncated_svd(rows: int, columns: int, rank: int) -> None:
    update = torch.randn(rows, columns, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    u, s, vt = np.linalg.svd(update.numpy(), full_matrices=False)
    expected = (u[:, :rank] * s[:rank]) @ vt[:rank]
    np.testing.assert_allclose(low_rank_part(update, rank).numpy(), expected, atol=1e-12)


def test_low_rank_part_of_a_steep_spectrum_stays_within_its_bound() -> None:
    """Fourteen decades: the small components are noise in the Gram matrix and must not leak into the result."""
    values = [10.0**-j for j in range(15)]
    update = planted(40, 15, values)
    left, right = orthonormal(40, 15, 0), orthonormal(15, 15, 1)
    for rank in (1, 5, 10, 14):
        exact = (left[:, :rank] * torch.tensor(values[:rank], dtype=torch.float64)) @ right[:, :rank].T
        assert float((low_rank_part(update, rank) - exact).abs().max()) < 1.5e-8


def test_low_rank_part_refuses_a_rank_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="from 0 to 2"):
        low_rank_part(torch.ones(2, 3), 3)
