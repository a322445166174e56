"""Alignment against k: leads that hold by construction, leads that do not, and what chance gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted_variants import aligned, params, variant
from planted_world import World

from effopd.seeding import generator
from effopd.studies.alignment import DRAWS, chance_of_subspaces, chance_of_vectors, conclude
from effopd.studies.variants import Variant


def planted(world: World, k: int, opd: float, rl: float) -> Variant:
    levels = {f"opd-{r}": aligned(opd, 0.02, k) for r in world.replicates} | {"rl": aligned(rl, 0.01, k)}
    return variant(world, f"k{k}", levels, asked=params(spectral={"top_k": k}))


@pytest.mark.parametrize(
    ("opd", "rl", "expected"),
    [
        ((0.6, 0.6), (0.3, 0.3), "reproduced"),
        ((0.6, 0.3), (0.3, 0.6), "partly"),
        ((0.3, 0.3), (0.6, 0.6), "not reproduced"),
        ((0.3, 0.3), (0.3, 0.3), "not reproduced"),  # a lead of 0.00 to 0.01 is not beyond its interval
    ],
)
def test_the_verdict_follows_from_the_leads(
    world: World, opd: tuple[float, float], rl: tuple[float, float], expected: str
) -> None:
    answer = conclude([], [planted(world, k, opd[i], rl[i]) for i, k in enumerate((1, 20))])
    assert answer.verdict == expected


def test_a_run_too_short_for_a_tenth_is_not_measured(world: World) -> None:
    last = tuple(row for row in aligned(0.5) if row.step == 64)
    levels = dict.fromkeys(("rl", *(f"opd-{r}" for r in world.replicates)), last)
    assert conclude([], [variant(world, levels=levels)]).verdict == "not measured"


def test_levels_are_those_at_a_tenth_of_training(world: World) -> None:
    """Flat from 1/64 to 1/8 of training, so that at a tenth it is what was planted."""
    answer = conclude([], [planted(world, 4, 0.6, 0.3)])
    found = {(one.measure, one.series): one.value for one in answer.numbers}
    assert found["alignment of single vectors", "OPD"].value == pytest.approx(0.61)
    assert found["alignment of subspaces", "RL"].value == pytest.approx(0.305)
    assert found["OPD's lead in alignment of subspaces", "OPD minus RL"].value == pytest.approx(0.305)
    assert "k = 4: 0.61 against 0.30, a lead of +0.305" in answer.sentence


@pytest.mark.parametrize(("length", "expected"), [(1, 1.0), (2, 2 / math.pi), (3, 0.5)])
def test_chance_of_two_directions_has_a_closed_form(length: int, expected: float) -> None:
    """On a line they agree; in a plane E|cos| is 2/π; on a sphere |cos| is uniform."""
    assert chance_of_vectors(length) == pytest.approx(expected, rel=1e-12)


def test_chance_of_two_directions_is_what_random_ones_have() -> None:
    draws_NM = generator(1, "test").standard_normal((20_000, 96))
    cosines_N = np.abs(draws_NM[:, 0]) / np.linalg.norm(draws_NM, axis=1)  # against the first axis
    assert abs(cosines_N.mean() - chance_of_vectors(96)) < 4 * cosines_N.std() / math.sqrt(len(cosines_N))


def test_chance_of_subspaces_is_that_of_directions_for_one_and_certain_for_all() -> None:
    cosine_deviation = math.sqrt(1 / 12)  # of |cos| on a sphere, uniform in [0, 1]
    assert abs(chance_of_subspaces(3, 1, 42) - 0.5) < 4 * cosine_deviation / math.sqrt(DRAWS)
    assert chance_of_subspaces(5, 5, 42) == pytest.approx(1.0, rel=1e-12)
    assert chance_of_subspaces(96, 20, 42) > chance_of_subspaces(96, 4, 42) > chance_of_subspaces(288, 4, 42)
