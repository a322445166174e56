"""Where an update lies in its base, against closed forms and a second implementation in numpy (float64 SVDs)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from effopd.spectral import geometry as module
from effopd.spectral.decomposition import decompose_tall
from effopd.spectral.geometry import Principal, norm, pieces_of, principal, update_spectrum
from effopd.spectral.linearity import Line
from effopd.spectral.metrics import MatrixMetrics, update_metrics
from effopd.spectral.modules import weight_matrices

NAME = "model.layers.0.mlp.up_proj.weight"


def measured(base: Tensor, trained: Tensor, top_k: int = 3) -> MatrixMetrics:
    (matrix,) = weight_matrices({NAME: (2, 2)})
    return update_metrics(matrix, base, trained, top_k)


def random(rows: int, columns: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)).to(dtype)


def as_bfloat16(matrix: np.ndarray) -> np.ndarray:
    """The upper half of the bits of float32, rounded to the nearest and at ties to even."""
    bits = matrix.astype(np.float32).view(np.uint32)
    return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16


def by_numpy(base: Tensor, trained: Tensor, top_k: int) -> dict[str, float]:
    """The definitions, word by word, by full singular value decompositions."""
    before, after = base.double().numpy(), trained.double().numpy()
    update = after - before
    u, s, vt = np.linalg.svd(before, full_matrices=False)
    u2, s2, vt2 = np.linalg.svd(after, full_matrices=False)
    values = np.linalg.svd(update, compute_uv=False)
    energy = (update**2).sum()

    def turned(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.arccos(np.clip(np.linalg.svd(one.T @ other, compute_uv=False), -1, 1)).mean())

    squares = np.sort((update**2).ravel())[::-1]
    rounded = [as_bfloat16(matrix) for matrix in (before, after)]
    return {
        "principal_energy_left": ((u[:, :top_k].T @ update) ** 2).sum() / energy,
        "principal_energy_right": ((update @ vt[:top_k].T) ** 2).sum() / energy,
        "rotation_left": turned(u[:, :top_k], u2[:, :top_k]),
        "rotation_right": turned(vt[:top_k].T, vt2[:top_k].T),
        "spectral_drift": np.linalg.norm(s2 - s) / np.linalg.norm(s),
        "stable_rank": energy / values[0] ** 2,
        "unchanged_bf16": (rounded[0] == rounded[1]).mean(),
        "top1_coordinate_energy": squares[: math.ceil(squares.size / 100)].sum() / energy,
        "effective_rank": np.exp(-(p := values / values.sum()) @ np.log(p)),
        "update_norm": math.sqrt(energy),
        "base_norm": np.linalg.norm(before),
    }


@pytest.mark.parametrize(("rows", "columns"), [(7, 19), (19, 7), (12, 12), (230, 90), (90, 230)])
@pytest.mark.parametrize(
    "dtypes",
    [(torch.float32, torch.float32), (torch.bfloat16, torch.float32), (torch.float16, torch.bfloat16)],
    ids=["float32", "bf16 and float32", "halves"],
)
def test_every_measure_agrees_with_numpy(
    rows: int, columns: int, dtypes: tuple[torch.dtype, torch.dtype], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = random(rows, columns).to(dtypes[0])
    trained = (base.float() + 0.01 * random(rows, columns, 1)).to(dtypes[1])
    for at_once in (2**22, 64):  # whole, and a row or a few at a time
        monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", at_once)
        found = measured(base, trained)
        for name, expected in by_numpy(base, trained, 3).items():
            assert getattr(found, name) == pytest.approx(expected, rel=1e-9, abs=1e-12), name
        assert (found.principal_k, found.rows, found.columns) == (3, rows, columns)


def test_an_update_along_the_first_directions_has_all_its_energy_there() -> None:
    left, right = (torch.linalg.qr(random(size, 6, size).double()).Q for size in (30, 20))
    base = left @ torch.diag(torch.tensor([9.0, 7, 5, 3, 2, 1]).double()) @ right.T
    inside = measured(base, base + 0.1 * torch.outer(left[:, 1], right[:, 0]))
    assert inside.principal_energy_left == pytest.approx(1) and inside.principal_energy_right == pytest.approx(1)
    outside = measured(base, base + 0.1 * torch.outer(left[:, 4], right[:, 5]))
    assert outside.principal_energy_left == pytest.approx(0, abs=1e-20)
    assert outside.rotation_left == pytest.approx(0, abs=1e-12), "the leading subspace stays"
    assert outside.stable_rank == pytest.approx(1)
    halved = measured(base, base + torch.outer(left[:, 0] + left[:, 5], right[:, 0]))
    assert halved.principal_energy_left == pytest.approx(0.5) and halved.principal_energy_right == pytest.approx(1)


def test_a_swap_of_two_directions_turns_the_subspace_by_a_right_angle() -> None:
    base = torch.diag(torch.tensor([3.0, 2, 1, 0.5]).double())
    swapped = torch.diag(torch.tensor([0.9, 2, 3, 0.5]).double())
    found = measured(base, swapped, top_k=2)  # e_1, e_2 before, e_3, e_2 after
    assert found.rotation_left == pytest.approx(math.pi / 4) and found.rotation_right == pytest.approx(math.pi / 4)
    drift = math.hypot(3 - 3, 2 - 2, 0.9 - 1, 0) / math.sqrt(9 + 4 + 1 + 0.25)
    assert found.spectral_drift == pytest.approx(drift)


def test_small_moves_are_nothing_in_bfloat16() -> None:
    base = torch.ones(10, 10)
    trained = base.clone()
    trained[0] += 2**-10  # rounds back to 1
    trained[1, :5] += 2**-6
    assert measured(base, trained).unchanged_bf16 == pytest.approx(0.95)
    assert measured(base, base).unchanged_bf16 == 1


@pytest.mark.parametrize(("entries", "kept"), [(99, 1), (100, 1), (101, 2), (400, 4)])
def test_one_per_cent_of_the_coordinates_is_rounded_up(entries: int, kept: int) -> None:
    moved = torch.arange(1.0, entries + 1).double()[None]
    base = torch.zeros(2, entries).double()
    trained = torch.cat([moved, torch.zeros(1, entries)])
    largest = sorted(moved[0].square().tolist(), reverse=True)
    share = sum(largest[: math.ceil(2 * entries / 100)]) / sum(largest)
    assert measured(base + 1, trained + 1).top1_coordinate_energy == pytest.approx(share)
    assert math.ceil(entries / 100) == kept


def test_an_update_of_zero_has_no_geometry_and_a_base_of_zeros_no_directions() -> None:
    base = random(8, 5)
    still = measured(base, base.clone())
    assert (still.update_norm, still.unchanged_bf16) == (0, 1)
    assert {still.principal_energy_left, still.rotation_right, still.spectral_drift, still.stable_rank} == {None}
    new = measured(torch.zeros(8, 5), base)
    assert (new.principal_k, new.principal_energy_left, new.rotation_left, new.spectral_drift) == (0, None, None, None)
    assert new.stable_rank is not None


def test_a_base_of_low_rank_has_no_more_directions_than_that() -> None:
    base = torch.outer(random(40, 1)[:, 0].double(), random(30, 1, 1)[:, 0].double())
    found = measured(base, base + 0.1 * random(40, 30, 2).double(), top_k=5)
    assert found.principal_k == 1
    left = base[:, 0] / base[:, 0].norm()
    update = 0.1 * random(40, 30, 2).double()
    assert found.principal_energy_left == pytest.approx(float(((left @ update) ** 2).sum() / (update**2).sum()))


@pytest.mark.parametrize("shape", [(40, 200), (200, 40), (60, 60)])
@pytest.mark.parametrize("rank", [1, 3])
def test_low_rank_updates_keep_their_accuracy_without_the_whole_matrix(
    shape: tuple[int, int], rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the Gram matrix would give an effective rank of 1.00005 instead of 1."""
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 1000)
    base = random(*shape).double()
    factors = random(shape[0], rank, 1).double(), random(rank, shape[1], 2).double()
    values = update_spectrum(base, base + factors[0] @ factors[1])
    expected = np.linalg.svd((factors[0] @ factors[1]).numpy(), compute_uv=False)
    np.testing.assert_allclose(values.numpy()[:rank], expected[:rank], rtol=1e-12)
    assert values[rank:].max() < 1e-12 * values[0]


def test_leading_vectors_of_both_sides_are_orthonormal_and_belong_together() -> None:
    for shape in ((30, 80), (80, 30)):
        weight = random(*shape).double()
        found: Principal = principal(weight, 4)
        tall = weight if shape[0] > shape[1] else weight.T
        for vectors in (found.short_RK, found.long_LK):
            torch.testing.assert_close(vectors.T @ vectors, torch.eye(4).double(), rtol=0, atol=1e-12)
        torch.testing.assert_close(tall @ found.short_RK, found.long_LK * found.values_R[:4], rtol=1e-11, atol=1e-11)


def test_pieces_are_the_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, minus = random(9, 31, 0, torch.bfloat16), random(9, 31, 1)
    for at_once in (10_000, 20, 1):
        monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", at_once)
        assert torch.cat(list(pieces_of(weight))).equal(weight.double().T)
        assert torch.cat(list(pieces_of(weight, minus))).equal((weight.double() - minus.double()).T)
        assert torch.cat(list(pieces_of(weight.T))).equal(weight.double().T)
        assert norm(weight) == pytest.approx(np.linalg.norm(weight.double().numpy()))
    values, vectors = decompose_tall(lambda: pieces_of(weight), 0)
    assert vectors.shape == (9, 0) and len(values) == 9


@pytest.mark.parametrize("place", ["base", "trained"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_named(place: str, value: float) -> None:
    base, trained = random(6, 6), random(6, 6, 1)
    (base if place == "base" else trained)[2, 3] = value
    with pytest.raises(ValueError, match=f"{NAME}: {place} weights are not all finite"):
        measured(base, trained)


def test_weights_on_a_line_have_an_r_squared_of_one_and_others_that_of_a_regression() -> None:
    steps = [0, 1, 2, 5, 9]
    direction, noise = random(6, 4).double(), [random(6, 4, seed).double() for seed in range(1, 6)]
    for scale in (0, 0.3):
        updates = [torch.zeros(6, 4).double()] + [t * direction + scale * noise[i] for i, t in enumerate(steps[1:])]
        line = Line(steps)
        for step, update in zip(steps[1:], updates[1:], strict=True):
            line.add(step, update)
        entries = np.stack([update.numpy().ravel() for update in updates])
        design = np.stack([np.ones(5), steps], axis=1)
        residual = entries - design @ np.linalg.lstsq(design, entries, rcond=None)[0]
        expected = 1 - (residual**2).sum() / ((entries - entries.mean(axis=0)) ** 2).sum()
        assert line.r_squared() == pytest.approx(expected, rel=1e-12)
        assert (expected == pytest.approx(1)) == (scale == 0)


def test_two_points_are_no_evidence_of_a_line() -> None:
    line = Line([0, 4])
    line.add(4, torch.ones(2, 2).double())
    assert line.r_squared() is None
    still = Line([0, 1, 2])
    still.add(1, torch.zeros(2, 2).double())
    still.add(2, torch.zeros(2, 2).double())
    assert still.r_squared() is None
