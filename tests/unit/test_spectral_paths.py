"""The plane of all paths, against numpy's SVD of the whole matrix of updates, and planted geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from effopd.spectral import paths
from effopd.spectral.paths import plane, update_gram

SHAPES = {"layers.0.mlp.up_proj.weight": (7, 5), "norm.weight": (11,)}


def checkpoints(count: int) -> list[dict[str, torch.Tensor]]:
    """The base, then `count` others."""
    generator = torch.Generator().manual_seed(0)
    return [{name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()} for _ in range(count + 1)]


def gram(stored: list[dict[str, torch.Tensor]]) -> torch.Tensor:
    return update_gram(lambda i, name, rows: stored[i + 1][name][rows], SHAPES, len(stored) - 1)


def updates(stored: list[dict[str, torch.Tensor]]) -> np.ndarray:
    flat = [np.concatenate([one[name].double().numpy().ravel() for name in SHAPES]) for one in stored]
    return np.stack(flat[1:]) - flat[0]


def test_inner_products_are_those_of_the_flat_updates() -> None:
    stored = checkpoints(6)
    np.testing.assert_allclose(gram(stored).numpy(), updates(stored) @ updates(stored).T, rtol=1e-12)


def test_reading_in_slices_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = checkpoints(6)
    whole = gram(stored)
    monkeypatch.setattr(paths, "_NUMBERS_AT_ONCE", 60)  # two rows of the matrix, ten of the vector
    torch.testing.assert_close(gram(stored), whole, rtol=1e-12, atol=0)


def test_coordinates_are_those_of_a_pca_of_the_updates() -> None:
    stored = checkpoints(6)
    centred = updates(stored) - updates(stored).mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    found = plane(gram(stored))
    np.testing.assert_allclose(np.abs(found.coordinates_N2.numpy()), np.abs(left[:, :2] * values[:2]), atol=1e-9)
    assert found.explained == pytest.approx(tuple(values[:2] ** 2 / (values**2).sum()))


def test_a_planted_plane_keeps_its_distances_and_explains_everything() -> None:
    points = np.array([[0, 0], [3, 0], [3, 4], [-2, 1]], dtype=float)
    found = plane(torch.tensor(points @ points.T))
    assert sum(found.explained) == pytest.approx(1)
    placed = found.coordinates_N2.numpy()
    for i in range(4):
        for j in range(4):
            assert np.linalg.norm(placed[i] - placed[j]) == pytest.approx(np.linalg.norm(points[i] - points[j]))


def test_what_spans_no_plane_is_refused() -> None:
    with pytest.raises(ValueError, match="three checkpoints or more, got 2"):
        plane(torch.eye(2, dtype=torch.float64))
    with pytest.raises(ValueError, match="all checkpoints are the same"):
        plane(torch.zeros(4, 4, dtype=torch.float64))
