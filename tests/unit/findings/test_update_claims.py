"""Claims on what the updates look like: alignment, the rows of Table 1, lengths."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import numpy as np
import pytest
from planted_world import OPD, Row, World, claim


@pytest.mark.parametrize(
    ("rl", "expected"),
    [
        (((4, 0.1), (8, 0.2), (16, 0.3)), "reproduced"),
        (((4, 0.1), (8, 0.2), (12, 0.99), (16, 0.99)), "partly"),  # ahead at 10 %, behind at 20 %
        (((4, 0.9), (8, 0.95), (16, 0.99)), "not reproduced"),
        (((32, 0.1), (64, 1.0)), "not measured"),
    ],
)
def test_early_alignment_compares_at_ten_and_twenty_per_cent(
    world: World, rl: tuple[tuple[int, float], ...], expected: str
) -> None:
    for replicate in world.replicates:
        world.run(f"opd-{replicate}", OPD, spectral=True, alignment=((4, 0.5), (8, 0.7), (16, 0.8), (64, 1.0)))
    world.run("rl", OPD, spectral=True, alignment=rl)
    found = claim(world, "early_alignment")
    assert found.verdict == expected
    if expected != "not measured":
        assert "Alignment at 10 % of training: 0.620" in found.finding  # 10 % is step 6.4: 0.5 + 0.2 · 2.4 / 4


def aligned_at(world: World, *levels: float) -> None:
    """OPD's replicates with these alignments at 10 % of training, linear from there."""
    for replicate, level in zip(world.replicates, levels, strict=True):
        world.run(f"opd-{replicate}", OPD, spectral=True, alignment=((4, 0.1), (6.4, level), (64, 1.0)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("levels", "expected", "said"),
    [
        ((0.72, 0.8, 0.9), "reproduced", "there: 0.720, 0.800, 0.900."),
        ((0.71, 0.8, 0.9), "partly", "there: 0.710, 0.800, 0.900."),
        (
            (0.44, 0.44, 0.44),
            "not reproduced",
            "0.72 is reached at: 55 %, 55 %, 55 %.",
        ),  # half way from 10 to 100 %
    ],
)
def test_early_level_is_the_documents_number(world: World, levels: tuple[float, ...], expected: str, said: str) -> None:
    aligned_at(world, *levels)
    found = claim(world, "early_level")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


@pytest.mark.parametrize(
    ("levels", "rl", "expected", "said"),
    [
        ((0.7, 0.7, 0.7), ((16, 0.5), (32, 0.6), (48, 0.8), (64, 1.0)), "reproduced", "as high at: 62 %, 62 %, 62 %."),
        ((0.7, 0.6, 0.7), ((16, 0.5), (32, 0.6), (48, 0.8), (64, 1.0)), "partly", "as high at: 62 %, 50 %, 62 %."),
        ((0.7, 0.7, 0.7), ((8, 0.6), (16, 0.8), (64, 1.0)), "not reproduced", "as high at: 19 %, 19 %, 19 %."),
        ((0.7, 0.7, 0.7), ((8, 0.8), (64, 1.0)), "not reproduced", "as high at: before its first checkpoint, before"),
        ((0.7, 0.7, 0.7), ((48, 0.8), (64, 1.0)), "not measured", "as high at: before its first checkpoint, before"),
    ],
)
def test_rl_is_aligned_late_where_it_meets_opds_level_late(
    world: World, levels: tuple[float, ...], rl: tuple[tuple[int, float], ...], expected: str, said: str
) -> None:
    aligned_at(world, *levels)
    world.run("rl", OPD, spectral=True, alignment=rl)
    found = claim(world, "rl_aligned_late")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


@pytest.mark.parametrize(
    ("name", "field", "better", "worse"),
    [
        ("spectral_norm", "spectral_norm", 0.05, 0.2),
        ("spectral_ratio", "spectral_frobenius_ratio", 0.4, 0.6),
        ("effective_rank", "effective_rank", 30.0, 10.0),
        ("top1_ratio", "top1_norm_ratio", 0.4, 0.6),
    ],
)
def test_each_row_of_table_one_is_compared_with_rl(
    world: World, name: str, field: str, better: float, worse: float
) -> None:
    """OPD has SPECTRUM; `better` and `worse`: RL's number for the claim."""
    world.run("rl", OPD, spectral=True, update={field: better})
    assert claim(world, name).verdict == "reproduced"
    world.run("opd-1", OPD, spectral=True, update={field: better})
    assert claim(world, name).verdict == "partly"  # one replicate is level with RL
    world.run("opd-1", OPD, spectral=True)
    world.run("rl", OPD, spectral=True, update={field: worse})
    assert claim(world, name).verdict == "not reproduced"


def test_a_row_of_table_one_has_an_interval_over_weight_matrices(world: World) -> None:
    """Eight matrices, two in each layer: RL's number is 30 ± 0.5 and ± 1.5 spreads, OPD's is 20."""
    for spread, expected in ((10.0, "reproduced"), (13.0, "partly")):
        world.run("rl", OPD, spectral=True, update={"effective_rank": 30.0}, matrix_spread=spread)
        reach = 1.96 * spread * np.std([-1.5, -0.5, 0.5, 1.5] * 2, ddof=1) / np.sqrt(8)
        found = claim(world, "effective_rank")
        said = f"-10.0 (interval {-10 - reach:+.1f} to {-10 + reach:+.1f}) over 8 weight matrices"
        assert (found.verdict, said in found.finding) == (expected, True), found.finding


def test_without_rl_no_row_of_table_one_is_judged(world: World) -> None:
    shutil.rmtree(world.root / "models/rl")
    for name in ("spectral_norm", "spectral_ratio", "effective_rank", "top1_ratio", "rl_aligned_late", "rl_later"):
        assert claim(world, name).verdict == "not measured"


def test_attention_is_spared_where_it_holds_less_of_the_squared_length(world: World) -> None:
    def heavy(at: Callable[[int], bool]) -> Callable[[Row], float]:
        return lambda row: 2.0 if row["kind"] == "attention" and at(row["step"]) else 1.0

    world.run("rl", OPD, spectral=True, matrix_norm=heavy(lambda _: True))
    found = claim(world, "spared_attention")
    assert found.verdict == "reproduced"
    assert "at 10 % of training: 50.0 % (50.0–50.0 %) in OPD, 80.0 % in RL" in found.finding  # 2² of 2² + 1²
    world.run("rl", OPD, spectral=True, matrix_norm=heavy(lambda step: step == 64))
    found = claim(world, "spared_attention")
    assert (
        found.verdict == "partly" and "at 10 % of training: 50.0 % (50.0–50.0 %) in OPD, 50.0 % in RL" in found.finding
    )
    world.run("rl", OPD, spectral=True, matrix_norm=heavy(lambda step: step == 8))
    found = claim(world, "spared_attention")  # 10 % is step 6.4: 50 + 30 · 2.4 / 4
    assert (
        found.verdict == "partly" and "at 10 % of training: 50.0 % (50.0–50.0 %) in OPD, 68.0 % in RL" in found.finding
    )
    world.run("rl", OPD, spectral=True)
    assert claim(world, "spared_attention").verdict == "not reproduced"


@pytest.mark.parametrize(
    ("norm", "cosine", "expected"),
    [(3.0, 0.8, "reproduced"), (3.0, 0.95, "partly"), (1.0, 0.95, "not reproduced")],
)
def test_small_update_compares_norm_and_embeddings_with_rl(
    world: World, norm: float, cosine: float, expected: str
) -> None:
    world.run("rl", OPD, spectral=True, update={"total_update_norm": norm}, embedding_cosine=cosine)
    assert claim(world, "small_update").verdict == expected
