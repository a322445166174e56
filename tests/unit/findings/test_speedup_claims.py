"""Verdicts and their sentences follow the numbers, whichever way these fall."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from planted_world import EFFOPD, OPD, World, claim, judged

from effopd.findings.results import Benchmarked

AIME, GPQA = (Benchmarked("opd-0", name, 0.5, 0.4, 0.6, n, 8) for name, n in (("AIME 2024", 30), ("GPQA", 198)))


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
    assert all(
        f"{end:.3f} (interval {end - 0.02:.3f} to {end + 0.02:.3f}) in {label}" in found.finding
        for end, label in ((rl, "RL"), (opd, "OPD"))
    )


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
    assert "Rates tried: 0.0001, 0.0003, 0.001." in found.finding


def test_best_rate_is_not_measured_without_a_sweep(tmp_path: Path) -> None:
    assert claim(World(tmp_path, rates=()), "best_rate").verdict == "not measured"


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
    evidence = world.evidence()
    paths = evidence.results.paths and parameters and replace(evidence.results.paths, parameters=parameters)
    results = replace(evidence.results, paths=paths or None)
    found = judged(replace(evidence, results=results, benchmarked=tuple(benchmarked)), "every_scale")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding
