"""Alignment against planted rotations, swaps, scipy's subspace angles and paths of known variance."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from effopd.spectral.alignment import align, path_explained_variance, principal_angles
from effopd.spectral.decomposition import decompose


def basis(dimension: int, *axes: int) -> Tensor:
    return torch.eye(dimension, dtype=torch.float64)[:, list(axes)]


def random_basis(dimension: int, k: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(dimension, k, generator=generator, dtype=torch.float64))[0]


def turned(dimension: int, k: int, angles: list[float]) -> Tensor:
    """e_j turned by angles[j] towards an axis of its own, outside the first k."""
    angles_K = torch.tensor(angles, dtype=torch.float64)
    return basis(dimension, *range(k)) * angles_K.cos() + basis(dimension, *range(k, 2 * k)) * angles_K.sin()


def test_planted_rotations_are_read_off() -> None:
    angles = [0.0, 0.3, 1.0, math.pi / 2]
    found = align(turned(8, 4, angles), basis(8, 0, 1, 2, 3))
    cosines = [math.cos(angle) for angle in angles]
    assert found.k == 4
    assert found.top_k_cosine == pytest.approx(sum(cosines) / 4)
    assert found.principal_angle == pytest.approx(sum(cosines) / 4)
    assert found.principal_angle_radians == pytest.approx(sum(angles) / 4)


def test_swapped_vectors_ruin_the_cosine_and_leave_the_principal_angles() -> None:
    found = align(basis(5, 1, 0, 3, 2), basis(5, 0, 1, 2, 3))
    assert found.top_k_cosine == pytest.approx(0)
    assert found.principal_angle == pytest.approx(1)
    assert found.principal_angle_radians == pytest.approx(0, abs=1e-12)


def test_near_equal_singular_values_that_swap_leave_the_principal_angles() -> None:
    left, right = random_basis(12, 3, 0), random_basis(9, 3, 1)
    early, final = (
        decompose((left * torch.tensor(spectrum, dtype=torch.float64)) @ right.T)
        for spectrum in ([1.0001, 1.0, 0.1], [1.0, 1.0001, 0.1])
    )
    found = align(early.left, final.left)
    assert found.top_k_cosine == pytest.approx(1 / 3, abs=1e-6)
    assert found.principal_angle == pytest.approx(1, abs=1e-12)


def test_signs_and_the_basis_of_the_space_do_not_matter() -> None:
    first, second, rotation = random_basis(10, 4, 2), random_basis(10, 4, 3), random_basis(10, 10, 4)
    signs = torch.tensor([1.0, -1, -1, 1], dtype=torch.float64)
    expected, found = align(first, second), align(rotation @ first * signs, rotation @ second)
    for name in ("top_k_cosine", "principal_angle", "principal_angle_radians"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-10), name


@given(dimension=st.integers(2, 30), k=st.integers(1, 12), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_principal_angles_agree_with_scipy(dimension: int, k: int, seed: int) -> None:
    k = min(k, dimension)
    first, second = random_basis(dimension, k, seed), random_basis(dimension, k, seed + 1000)
    expected = np.sort(scipy.linalg.subspace_angles(first.numpy(), second.numpy()))
    np.testing.assert_allclose(principal_angles(first, second).numpy(), expected, atol=1e-7)  # scipy near 0: 2e-8


def test_an_angle_far_below_the_arccos_limit_is_seen() -> None:
    """cos(1e-10) is 1 in float64: only the sine knows."""
    angles = principal_angles(turned(4, 2, [1e-10, 0.5]), basis(4, 0, 1))
    assert angles.tolist() == pytest.approx([1e-10, 0.5], rel=1e-5)


def test_only_as_many_vectors_are_compared_as_both_updates_have() -> None:
    found = align(basis(6, 0, 1), basis(6, 0, 1, 2, 3))
    assert (found.k, found.top_k_cosine, found.principal_angle) == (2, 1, 1)
    assert align(basis(6, 0, 1, 2, 3), basis(6, 0, 1)) == found
    low_rank = decompose(torch.outer(torch.ones(6), torch.ones(4)), top_k=20)
    assert align(low_rank.left, low_rank.left).k == 1


def test_zero_update_aligns_with_nothing() -> None:
    found = align(basis(6), basis(6, 0, 1))
    assert found.k == 0 and found.top_k_cosine is None and found.principal_angle is None
    assert found.principal_angle_radians is None
    with pytest.raises(ValueError, match="length 6 and 5"):
        align(basis(6, 0), basis(5, 0))


def small_path(offsets: list[list[float]]) -> list[Tensor]:
    """Unit vectors around e_0 with given small offsets along e_1, e_2, e_3."""
    vectors = torch.tensor([[0.0, *offset] for offset in offsets], dtype=torch.float64)
    vectors[:, 0] = (1 - vectors.square().sum(dim=1)).sqrt()
    return list(vectors)


def test_explained_variance_of_a_path_with_known_variances() -> None:
    """Variances 9 : 4 : 1 along three axes, uncorrelated: the first two hold 13 of 14."""
    offsets = [[s1 * 3e-5, s2 * 2e-5, s3 * 1e-5] for s1 in (-1, 1) for s2 in (-1, 1) for s3 in (-1, 1)]
    assert path_explained_variance(small_path(offsets)) == pytest.approx(13 / 14, rel=1e-6)


def test_path_in_a_plane_is_explained_whole_and_a_wandering_one_is_not() -> None:
    arc = [torch.tensor([math.cos(a), math.sin(a), 0, 0], dtype=torch.float64) for a in (0.1, 0.3, 0.4, 0.9, 1.2)]
    assert path_explained_variance(arc) == pytest.approx(1)
    # six orthonormal vectors: five equal variances after centring
    assert path_explained_variance(list(torch.eye(6, dtype=torch.float64))) == pytest.approx(2 / 5)


def test_arbitrary_signs_along_the_path_do_not_matter() -> None:
    path = small_path([[0.01, 0, 0], [0.03, 0.02, 0], [0.05, 0.01, 0.02], [0.06, 0.03, 0.03], [0.08, 0.03, 0.07]])
    flipped = [vector * sign for vector, sign in zip(path, (-1, 1, 1, -1, 1), strict=True)]
    expected = path_explained_variance(path)
    assert expected is not None and expected < 0.999
    assert path_explained_variance(flipped) == pytest.approx(expected, rel=1e-12)


def test_short_paths_say_nothing_and_still_ones_are_explained() -> None:
    still = [basis(5, 0)[:, 0]] * 4
    assert path_explained_variance(still[:3]) is None
    assert path_explained_variance(still) == 1
