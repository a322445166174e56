"""Verdicts over variants, and intervals over worlds."""

from __future__ import annotations

import math

import pytest
from planted_variants import variant
from planted_world import OPD, World
from scipy.stats import ttest_1samp

from effopd.findings.comparisons import Verdict
from effopd.findings.measures import FINAL_ACCURACY
from effopd.studies.answers import claims_over, compared, counted, gap_over_worlds, holding, over_worlds, together


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["reproduced", "reproduced"], "reproduced"),
        (["reproduced", "not reproduced"], "partly"),
        (["partly", "partly"], "partly"),
        (["not reproduced", "not measured"], "not reproduced"),
        (["not measured", "not testable at this scale"], "not measured"),
        (["not testable at this scale"], "not testable at this scale"),
        ([], "not measured"),
    ],
)
def test_variants_agree_or_it_is_partly(verdicts: list[Verdict], expected: str) -> None:
    assert together(verdicts) == expected


def test_partly_is_no_reproduction_and_unheard_no_failure() -> None:
    found: dict[str, Verdict] = {"a": "reproduced", "b": "partly", "c": "not measured", "d": "reproduced"}
    assert holding(found) == [True, False, None, True]
    assert counted(found) == "reproduced: a, d; partly: b; not measured: c"


def test_the_interval_over_worlds_is_students() -> None:
    values = [0.1, 0.3, 0.35, 0.2]
    other = ttest_1samp(values, 0.0).confidence_interval(0.9)
    found = over_worlds(values, 0.9)
    assert (found.low, found.high) == pytest.approx((other.low, other.high), rel=1e-12)
    assert (found.smallest, found.largest) == (0.1, 0.35)


def test_one_world_has_no_interval() -> None:
    assert over_worlds([0.5], 0.95).value == 0.5
    assert math.isnan(over_worlds([0.5], 0.95).low)
    assert math.isnan(over_worlds([], 0.95).value)


def test_methods_are_compared_within_their_own_world(world: World) -> None:
    """Worlds may differ more than methods do: the gap is a world's own."""
    first = variant(world, "first")
    for replicate in world.replicates:
        world.run(f"opd-{replicate}", [a - 0.2 for a in OPD])
    world.run("rl", [a - 0.3 for a in OPD])
    second = variant(world, "second")
    gap = gap_over_worlds([first, second], FINAL_ACCURACY)
    assert (gap.value, gap.smallest, gap.largest) == pytest.approx((0.05, 0.0, 0.1))
    found = {(one.label, one.series): one.value.value for one in compared([first, second], FINAL_ACCURACY)}
    assert found["first", "RL"] == 1.0
    assert found["second", "OPD"] == pytest.approx(0.8)


def test_a_claim_is_asked_of_every_variant(world: World) -> None:
    first = variant(world, "first")
    assert claims_over([first], ["rl_ceiling"]) == {"rl_ceiling": "not reproduced"}  # both end at 1
    world.run("rl", [a - 0.3 for a in OPD])
    world.intervene("rl", lambda _: 0.7)
    second = variant(world, "second")
    assert claims_over([second], ["rl_ceiling"]) == {"rl_ceiling": "reproduced"}
    assert claims_over([first, second], ["rl_ceiling"]) == {"rl_ceiling": "partly"}
