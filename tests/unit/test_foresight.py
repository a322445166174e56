"""Sketches of updates against their decompositions, and what a run sees of its own update while it trains."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from effopd.files import read_jsonl
from effopd.spectral.alignment import align
from effopd.spectral.foresight import Foresight
from effopd.spectral.sketch import TOP_K, Sketch, sketch

CPU = torch.device("cpu")


def planted(values: Tensor, rows: int, columns: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A matrix with these singular values, and its leading left vectors."""
    draws = torch.Generator().manual_seed(seed)
    left, right = (
        torch.linalg.qr(torch.randn(side, len(values), generator=draws, dtype=torch.float64)).Q
        for side in (rows, columns)
    )
    return (left * values @ right.T).float(), left[:, :TOP_K].float()


def sketched(update: Tensor, seed: int = 0) -> Sketch:
    found = sketch(update, seed, exact_up_to=0)
    assert found is not None
    return found


def entropy_rank(values: Tensor) -> float:
    share = (values / values.sum()).double().numpy()
    return math.exp(-float(np.sum(share * np.log(share))))


@pytest.mark.parametrize("power", [0.3, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("shape", [(160, 240), (240, 160)])
def test_a_sketch_finds_planted_spectra_within_its_own_error(power: float, shape: tuple[int, int]) -> None:
    """Over seeds: the error that it says is about the one that it makes, and small."""
    values = torch.arange(1, 161, dtype=torch.float64) ** -power
    update, left = planted(values, *shape)
    found = [sketched(update, seed) for seed in range(20)]
    truth = entropy_rank(values)
    made = math.sqrt(sum((one.effective_rank - truth) ** 2 for one in found) / 20)
    said = math.sqrt(sum(one.effective_rank_error**2 for one in found) / 20)
    assert 0.5 < said / made < 3 and made < 0.05 * truth
    for one in found:
        assert one.norm == pytest.approx(float(values.norm()), rel=1e-6)
        if power >= 0.7:  # below, neighbours among the leading values are nearly equal
            assert align(one.left_MK, left).principal_angle == pytest.approx(1, abs=1e-3)


def test_an_update_of_low_rank_has_no_more_directions_and_no_error() -> None:
    update, left = planted(torch.ones(3, dtype=torch.float64), 300, 200)
    found = sketched(update)
    assert found.left_MK.shape == (300, 3) and align(found.left_MK, left).principal_angle == pytest.approx(1, abs=1e-5)
    assert found.effective_rank == pytest.approx(3, rel=1e-4)
    assert found.effective_rank_error < 1e-3


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_a_sketch_does_not_depend_on_the_scale(scale: float) -> None:
    update, _ = planted(torch.arange(1, 101, dtype=torch.float64) ** -1.0, 120, 100)
    one, other = sketched(update), sketched(update * scale)
    assert other.effective_rank == pytest.approx(one.effective_rank, rel=1e-4)
    assert other.norm == pytest.approx(one.norm * scale, rel=1e-6)


def test_a_small_matrix_is_exact_and_what_is_zero_or_not_finite_has_no_direction() -> None:
    values = torch.arange(1, 41, dtype=torch.float64) ** -1.0
    found = sketch(planted(values, 40, 60)[0], seed=0)
    assert found is not None and found.effective_rank_error == 0
    assert found.effective_rank == pytest.approx(entropy_rank(values), rel=1e-5)
    for nothing in (torch.zeros(40, 60), torch.full((40, 60), math.nan), torch.full((40, 60), math.inf)):
        assert sketch(nothing, seed=0) is None


def moved(start: dict[str, Tensor], by: dict[str, Tensor], length: float) -> list[tuple[str, Tensor]]:
    return [(name, weight + length * by[name]) for name, weight in start.items()]


def test_a_run_that_goes_straight_on_is_aligned_with_itself_and_one_that_turns_is_not() -> None:
    start = {name: weight.detach() for name, weight in tiny.model(layers=2).named_parameters()}
    first, second = (
        {n: torch.randn(w.shape, generator=torch.Generator().manual_seed(s)) for n, w in start.items()} for s in (1, 2)
    )
    seen = Foresight(start, CPU)
    one = seen.measure(1, moved(start, first, 0.01))
    straight = seen.measure(2, moved(start, first, 0.05))
    turned = seen.measure(4, moved(start, second, 0.05))
    assert not any(name.startswith("alignment") for name in one)
    assert straight["alignment/1"] == pytest.approx(1, abs=1e-3)
    assert turned["alignment/1"] == pytest.approx(turned["alignment/2"], abs=1e-3) and turned["alignment/1"] < 0.8
    names = [f"model.layers.{layer}.mlp.up_proj.weight" for layer in (0, 1)]
    norms = [float((0.05 * first[name]).norm()) for name in names]
    assert straight["norm/up_proj"] == pytest.approx(sum(norms) / 2, rel=1e-3)
    parts = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert {name.split("/")[1] for name in one} == parts


def test_what_was_seen_goes_on_behind_a_kill_and_only_from_the_same_start() -> None:
    start = {name: weight.detach() for name, weight in tiny.model().named_parameters()}
    by = {name: torch.ones_like(weight).cumsum(0) for name, weight in start.items()}
    whole, killed, resumed = (Foresight(start, CPU) for _ in range(3))
    for step in (1, 2):
        whole.measure(step, moved(start, by, step))
        killed.measure(step, moved(start, by, step))
    assert resumed.load_state(killed.state)
    assert resumed.measure(4, moved(start, by, 4)) == whole.measure(4, moved(start, by, 4))
    assert not Foresight(by, CPU).load_state(killed.state)


def foreseen(lab: tiny.Lab) -> dict[int, dict[str, Any]]:
    """What a run's live curves have of it, by step."""
    rows = {row["step"]: row for row in read_jsonl(lab.root / "live/metrics.jsonl")}
    seen = {step: {n: v for n, v in row.items() if n.startswith("foresight/")} for step, row in rows.items()}
    return {step: row for step, row in seen.items() if row}


def test_live_curves_have_it_at_exponential_steps_and_have_it_again_behind_a_kill(tmp_path: Path) -> None:
    """Recomputed from checkpoints; what the run publishes holds none of it."""

    def kill(step: int) -> None:
        if step == 5:
            raise tiny.Killed

    params = tiny.with_values(tiny.OPD, steps=8)
    whole, killed = tiny.Lab(tmp_path / "whole"), tiny.Lab(tmp_path / "killed")
    published = whole.opd(params)
    assert list(foreseen(whole)) == [1, 2, 4, 8]
    assert {"foresight/norm/q_proj", "foresight/effective_rank/q_proj", "foresight/alignment/4"} <= foreseen(whole)[
        8
    ].keys()
    assert not any(name.startswith("foresight") for row in published.metrics for name in row)
    with pytest.raises(tiny.Killed):
        killed.opd(params, search=tiny.AfterEach(kill))
    killed.opd(params)
    assert foreseen(killed) == foreseen(whole)
