"""Verdicts and their sentences follow the numbers, whichever way these fall."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_world import EFFOPD, OPD, Row, World, apart, document

from effopd.report.claims import claims
from effopd.report.convergence import speedup
from effopd.report.datasets import Benchmarked
from effopd.report.verdicts import Claim, verdict


def claim(world: World, name: str) -> Claim:
    results = world.read()
    return {one.name: one for one in claims(results, speedup(results, 0.95), 0.95, apart(results))}[name]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_one_rule_makes_all_verdicts() -> None:
    assert verdict([True, True]) == "reproduced"
    assert verdict([True, False]) == "partly"
    assert verdict([True, None]) == "partly"
    assert verdict([False, None]) == "not reproduced"
    assert verdict([None, None]) == "not measured"
    assert verdict([]) == "not measured"


@pytest.mark.parametrize(
    ("accuracy", "greedy", "expected"),
    [(0.4, 0.99, "reproduced"), (0.49, 0.99, "partly"), (0.4, 0.4, "partly"), (0.8, 0.7, "not reproduced")],
)
def test_latent_ability_needs_failures_and_a_greedy_gain(
    world: World, accuracy: float, greedy: float, expected: str
) -> None:
    world.run("rl", [accuracy, *OPD[1:]], greedy=greedy, spectral=True)
    found = claim(world, "latent_ability")
    assert found.verdict == expected
    assert f"{accuracy:.3f}" in found.finding and f"{greedy:.3f}" in found.finding


@pytest.mark.parametrize(
    ("rl", "opd", "expected"), [(1.0, 0.71, "reproduced"), (0.69, 1.0, "partly"), (0.43, 0.42, "not reproduced")]
)
def test_strong_runs_halve_the_errors_of_the_base(world: World, rl: float, opd: float, expected: str) -> None:
    world.run("rl", [*OPD[:-1], rl], spectral=True)
    for replicate in world.replicates:
        world.run(f"opd-{replicate}", [*OPD[:-1], opd], spectral=True)
    found = claim(world, "strong_runs")
    assert found.verdict == expected
    assert f"RL ends at {rl:.3f}" in found.finding and f"OPD ends at {opd:.3f}" in found.finding


@pytest.mark.parametrize(
    ("curve", "expected", "said"),
    [
        (EFFOPD, "reproduced", "median 9.51"),
        ((0.4, 0.4, 0.4, 0.4, 0.4, 0.9, 1.0), "partly", "median 2.38"),  # 2^5.75 / 2^4.5
        ((0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.95), "not reproduced", "median 0.84"),  # 2^5.75 / 2^6
        ((0.4, 0.4, 0.4), "not reproduced", "never arrive"),
    ],
)
def test_fewer_steps_follows_the_planted_speedup(
    world: World, curve: tuple[float, ...], expected: str, said: str
) -> None:
    for replicate in world.replicates:
        world.run(f"effopd-{replicate}", curve, spectral=True)
    found = claim(world, "fewer_steps")
    assert (found.verdict, said in found.finding) == (expected, True)


@pytest.mark.parametrize(
    ("seconds", "expected", "said"),
    [
        ([3.0, 3.0, 3.0], "reproduced", "median 3.17"),
        ([3.0, 20.0, 20.0], "partly", "median 0.48"),
        ([20.0, 20.0, 20.0], "not reproduced", "median 0.48"),
        ([None, None, None], "not measured", "not timed"),
    ],
)
def test_less_time_follows_the_planted_seconds(
    world: World, seconds: list[float | None], expected: str, said: str
) -> None:
    for replicate, each in zip(world.replicates, seconds, strict=True):
        world.run(f"effopd-{replicate}", EFFOPD, seconds=each, spectral=True)
    found = claim(world, "less_time")
    assert (found.verdict, said in found.finding) == (expected, True)


@pytest.mark.parametrize(
    ("untimed", "never", "expected", "said"),
    [
        ([0, 1], [2], "not measured", "the median was not measured (replicates: not timed, not timed, never arrived"),
        ([0], [1], "partly", "the median was not measured (replicates: not timed, never arrived"),  # a third at 3.17
        ([0], [1, 2], "not reproduced", "the median one never arrives"),  # whatever the first one took
        ([0], [], "reproduced", "median 3.17 (replicates: not timed, 3.17, 3.17)"),  # whatever the first one took
    ],
)
def test_an_untimed_replicate_is_on_neither_side_of_the_median(
    world: World, untimed: list[int], never: list[int], expected: str, said: str
) -> None:
    for replicate in world.replicates:
        curve = (0.4, 0.4, 0.4) if replicate in never else EFFOPD
        seconds = None if replicate in untimed else 3.0
        world.run(f"effopd-{replicate}", curve, seconds=seconds, spectral=True)
    found = claim(world, "less_time")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


@pytest.mark.parametrize(
    ("curve", "seconds", "expected"),
    [
        (OPD, 1.0, "reproduced"),
        ((0.4, 0.4, 0.4, 0.9, 1.0, 1.0, 1.0, 1.0), 30.0, "partly"),  # as many steps, more time
        ((0.4, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0), 1.0, "not reproduced"),
    ],
)
def test_best_rate_is_judged_in_steps_and_in_time(
    world: World, curve: tuple[float, ...], seconds: float, expected: str
) -> None:
    world.run("opd-lr-0.0003", curve, rate=3e-4, seconds=seconds)
    found = claim(world, "best_rate")
    assert found.verdict == expected
    assert "Rates tried: 0.0001, 0.0003, 0.001" in found.finding


def test_best_rate_is_not_measured_without_a_sweep(tmp_path: Path) -> None:
    assert claim(World(tmp_path, rates=()), "best_rate").verdict == "not measured"


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
        assert "OPD's alignment is 0.620" in found.finding  # 10 % is step 6.4: 0.5 + 0.2 · 2.4 / 4
    assert ("which reaches as much at" in found.finding) == (expected == "partly")
    if expected == "partly":
        assert "which reaches as much at 16 % of training" in found.finding  # step 8 + 4 · 0.42 / 0.79


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        ({"spectral_frobenius_ratio": 0.4, "effective_rank": 30.0, "top1_norm_ratio": 0.4}, "reproduced"),
        ({"spectral_frobenius_ratio": 0.6, "effective_rank": 30.0, "top1_norm_ratio": 0.4}, "partly"),
        ({"spectral_frobenius_ratio": 0.6, "effective_rank": 10.0, "top1_norm_ratio": 0.6}, "not reproduced"),
    ],
)
def test_low_rank_compares_three_rows_with_rl(world: World, update: dict[str, float], expected: str) -> None:
    world.run("rl", OPD, spectral=True, update=update)
    found = claim(world, "low_rank")
    assert found.verdict == expected
    assert f"effective rank 20.0 (20.0–20.0) against {update['effective_rank']:.1f}" in found.finding


@pytest.mark.parametrize(
    ("norm", "cosine", "expected"),
    [(3.0, 0.8, "reproduced"), (3.0, 0.95, "partly"), (1.0, 0.95, "not reproduced")],
)
def test_small_update_compares_norm_and_embeddings_with_rl(
    world: World, norm: float, cosine: float, expected: str
) -> None:
    world.run("rl", OPD, spectral=True, update={"total_update_norm": norm}, embedding_cosine=cosine)
    assert claim(world, "small_update").verdict == expected


def planted(world: World, name: str, rl: dict[str, float], opd: dict[str, float]) -> Claim:
    """The claim with accuracies of some interventions replaced, by experiment and its telling setting."""

    def accuracy(changes: dict[str, float], row: Row) -> float:
        telling = next((row[key] for key in ("alpha", "beta", "kind", "percent") if row[key] is not None), "")
        place = "" if row["centre"] is None else f"@{row['centre']}"
        return changes.get(f"{row['experiment']} {telling}{place}".strip(), document(row))

    world.intervene("rl", lambda row: accuracy(rl, row), update_norm=4.0)
    for replicate in world.replicates:
        world.intervene(f"opd-{replicate}", lambda row: accuracy(opd, row))
    return claim(world, name)


@pytest.mark.parametrize(
    ("name", "rl", "opd", "expected", "said"),
    [
        ("signal_density", {}, {}, "reproduced", "+0.300 (interval"),  # at length 2: 1 against 0.7
        ("signal_density", {"alpha 0.5": 1.0}, {}, "not reproduced", "+0.000 (interval +0.000 to +0.000)"),
        ("signal_density", {}, {"alpha 0.5": 0.4}, "partly", "-0.075 (interval"),
        ("mlp_over_attention", {}, {}, "reproduced", "OPD: MLP minus attention +0.300"),
        ("mlp_over_attention", {"modules attention": 0.8}, {}, "partly", "RL: MLP minus attention +0.000"),
        ("middle_layers", {}, {}, "reproduced", "OPD: middle half minus the rest +0.160"),
        ("middle_layers", {"window mlp@0": 1.0}, {"window mlp@3": 1.0}, "not reproduced", "most at layer 3 of 4"),
        ("same_sensitivity", {}, {}, "reproduced", "correlate at 1.00"),
        ("same_sensitivity", {f"window mlp@{i}": 0.42 for i in range(4)}, {}, "not reproduced", "correlate at"),
        ("embeddings", {}, {}, "reproduced", "RL: +0.000"),
        ("embeddings", {"embedding": 0.9}, {}, "partly", "RL: -0.100"),
        ("early_direction", {}, {}, "reproduced", "OPD's update at 10 % of training recovers 88 %"),
        ("early_direction", {}, {"rescaling 1.0": 0.6}, "partly", "33 % (interval"),
        ("early_direction", {}, {"rescaling 1.0": 0.5}, "not reproduced", "recovers 50 %"),
        ("beta", {}, {}, "reproduced", "0: 0.500, 0.5: 0.700, 1: 0.880, 1.5: 0.600"),
        ("beta", {}, {"rescaling 0.5": 0.87}, "partly", "against the next best: +0.010"),
        ("beta", {}, {"rescaling 0.5": 0.9}, "not reproduced", "against the next best: -0.020"),
        ("leading_rank", {}, {}, "reproduced", "the leading 10 % keep 100 %"),
        ("leading_rank", {}, {"top 10.0": 0.9}, "partly", "keep 90 %"),
    ],
)
def test_claims_on_the_mechanism_follow_planted_accuracies(
    world: World, name: str, rl: dict[str, float], opd: dict[str, float], expected: str, said: str
) -> None:
    found = planted(world, name, rl, opd)
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


def test_the_periphery_is_compared_by_squared_norms(world: World) -> None:
    found = claim(world, "periphery")
    assert found.verdict == "reproduced"
    assert "50 % in OPD" in found.finding and "80 % in RL" in found.finding  # 2² of 2² + 1²
    world.run("rl", OPD, spectral=True)
    assert claim(world, "periphery").verdict == "not reproduced"


def test_nothing_is_claimed_of_shares_of_nothing(world: World) -> None:
    """A base that never succeeds, and a run that does not either."""
    world.intervene("rl", lambda row: 0.0)
    for replicate in world.replicates:
        world.intervene(f"opd-{replicate}", lambda row: 0.0)
    assert claim(world, "leading_rank").verdict == "not measured"
    assert claim(world, "early_direction").verdict == "not reproduced"
    assert claim(world, "same_sensitivity").verdict == "not measured"
    assert claim(world, "every_scale").verdict == "not testable at this scale"


AIME, GPQA = (Benchmarked("opd-0", name, 0.5, 0.4, 0.6, n, 8) for name, n in (("AIME 2024", 30), ("GPQA", 198)))


@pytest.mark.parametrize(
    ("parameters", "benchmarked", "expected", "said"),
    [
        (1234, [], "not testable at this scale", "of 1,234 parameters, below that range, was trained here"),
        (1234, [], "not testable at this scale", "tested on one set of 256 problems."),
        (1234, [AIME], "not testable at this scale", "256 problems and on 1 benchmark: AIME 2024 (30 problems)."),
        (4 * 10**9, [AIME, GPQA], "not measured", "of 4,000,000,000 parameters, within that range,"),
        (4 * 10**9, [AIME, GPQA], "not measured", "2 benchmarks: AIME 2024 (30 problems), GPQA (198 problems). One"),
        (70 * 10**9, [], "not testable at this scale", "above that range"),
        (None, [], "not measured", "One model of unknown size was trained here"),
    ],
)
def test_every_scale_names_the_size_and_the_benchmarks(
    world: World, parameters: int | None, benchmarked: list[Benchmarked], expected: str, said: str
) -> None:
    read = world.read()
    paths = read.paths and parameters and replace(read.paths, parameters=parameters)
    results = replace(read, paths=paths or None)
    *_, found = claims(results, speedup(results, 0.95), 0.95, apart(results), benchmarked)
    assert (found.name, found.verdict, said in found.finding) == ("every_scale", expected, True), found.finding
    assert found.figure == ("benchmarks" if benchmarked else "spectral_table")
