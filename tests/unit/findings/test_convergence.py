"""When a run arrives, and how many times sooner: against crossings worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from planted_world import EFFOPD, OPD, World

from effopd.findings.convergence import Speedup, arrival, first_crossing, speedup


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([0.2, 0.4, 0.4, 0.6], 2 * 2**0.5),  # half way up between steps 2 and 4: half an octave
        ([0.2, 0.4, 0.5, 0.8], 2.0),  # on a checkpoint
        ([0.2, 0.7, 0.3, 0.9], 1.0),  # nothing is known between 0 and 1, and the later fall does not count
        ([0.5, 0.1, 0.1, 0.9], 0.0),  # there before training
        ([0.2, 0.3, 0.4, 0.49], None),
    ],
)
def test_first_crossing_is_linear_in_the_logarithm_of_the_cost(accuracies: list[float], expected: float | None) -> None:
    found = first_crossing([0, 1, 2, 4], accuracies, 0.5)
    assert found == (None if expected is None else pytest.approx(expected))


def test_planted_curves_give_the_speedup_worked_out_by_hand(tmp_path: Path) -> None:
    found = speedup(World(tmp_path).read(), 0.95)
    first = found.replicates[0]
    assert first.target == pytest.approx(0.95)
    assert first.baseline is not None and first.method is not None
    assert first.baseline["steps"] == pytest.approx(2**5.75)
    assert first.method["steps"] == pytest.approx(2**2.5)
    assert (first.baseline["checkpoint"], first.method["checkpoint"]) == (64, 8)
    assert found.median("steps") == pytest.approx(2**3.25)
    assert found.median("wall") == pytest.approx(2**3.25 / 3)  # three seconds a step against one
    assert found.median("tokens") == pytest.approx(2**3.25)
    assert found.median("checkpoints") == 8


def test_the_best_rate_is_the_one_with_fewest_steps_for_each_replicate(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(
        "opd-lr-0.0003", (0.4, 0.4, 0.4, 0.9, 1.0, 1.0, 1.0, 1.0), rate=3e-4, seconds=30.0
    )  # at 2^2.5, slow steps
    found = speedup(world.read(), 0.95)
    assert {row.best_rate for row in found.replicates} == {3e-4}
    assert found.median("best_lr_steps") == pytest.approx(1.0)
    assert found.median("best_lr_wall") == pytest.approx(10.0)
    assert found.median("steps") == pytest.approx(2**3.25)  # the comparison at the same rate does not move


def test_the_rate_of_opd_itself_is_among_the_rates(tmp_path: Path) -> None:
    world = World(tmp_path)
    for rate in world.rates:
        world.run(f"opd-lr-{rate}", [0.4] * 8, rate=rate)  # collapsed: never arrives
    found = speedup(world.read(), 0.95)
    assert {row.best_rate for row in found.replicates} == {1e-4}
    assert found.median("best_lr_steps") == found.median("steps")


def test_a_replicate_that_never_arrives_counts_as_slowest(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run("effopd-0", (0.4, 0.4, 0.8, 0.9, 0.9), spectral=True)
    world.run("effopd-1", (0.4, 0.4, 0.4, 0.5, 1.0), spectral=True)  # 0.95 is 0.9 octaves past step 4
    one = speedup(world.read(), 0.95)
    assert [row.ratios["steps"] is None for row in one.replicates] == [True, False, False]
    assert one.median("steps") == pytest.approx(2 ** (5.75 - 2.9))  # the middle of never, 2^2.85 and 2^3.25
    world.run("effopd-1", (0.4, 0.4, 0.4, 0.5, 0.6), spectral=True)
    assert speedup(world.read(), 0.95).median("steps") is None


def test_each_replicate_is_held_to_the_target_of_its_own_baseline(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run("opd-1", [*OPD[:-1], 0.8], spectral=True)  # target 0.76, which its curve meets 0.8 octaves past 16
    row = speedup(world.read(), 0.95).replicates[1]
    assert row.target == pytest.approx(0.76)
    assert row.baseline is not None and row.baseline["steps"] == pytest.approx(2**4.8)


def test_untimed_runs_have_steps_but_no_seconds(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run("opd-0", OPD, seconds=None, spectral=True)
    results = world.read()
    found = arrival(results.of("opd")[0], 0.95)
    assert found is not None and found["steps"] == pytest.approx(2**5.75) and found["seconds"] is None
    gain = speedup(results, 0.95)
    assert gain.replicates[0].ratios["wall"] is None and gain.median("wall") == pytest.approx(
        2**3.25 / 3
    )  # the others are equal


def test_a_median_that_hangs_on_untimed_replicates_is_not_measured(tmp_path: Path) -> None:
    world = World(tmp_path)
    never, later = (0.4, 0.4, 0.8, 0.9, 0.9), (0.4, 0.4, 0.4, 0.5, 1.0)  # later: at 2^2.9

    def bounds(*curves: tuple[tuple[float, ...], float | None]) -> tuple[float, float]:
        for replicate, (curve, seconds) in enumerate(curves):
            world.run(f"effopd-{replicate}", curve, seconds=seconds, spectral=True)
        gain = speedup(world.read(), 0.95)
        found = gain.bounds("wall")
        assert gain.median("wall") == (found[0] if found[0] == found[1] and math.isfinite(found[0]) else None)
        return found

    assert bounds((EFFOPD, None), (EFFOPD, None), (never, 1.0)) == (-math.inf, math.inf)
    assert bounds((EFFOPD, None), (never, 1.0), (never, None)) == (-math.inf, -math.inf)
    assert Speedup(speedup(world.read(), 0.95).replicates[:2], None).bounds("wall") == (-math.inf, math.inf)
    between = bounds((EFFOPD, None), (EFFOPD, 1.0), (later, 1.0))
    assert between == (pytest.approx(2**2.85), pytest.approx(2**3.25))
    assert Speedup((), None).bounds("wall") == (-math.inf, math.inf)


def test_a_base_that_is_at_the_target_already_gives_no_speedup(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,))
    world.run("opd-0", [0.5] * 8, spectral=True)
    world.run("effopd-0", [0.5] * 5, spectral=True)
    assert speedup(world.read(), 0.95).median("steps") is None
