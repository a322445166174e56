"""What claims are made of: goals, the rule of verdicts, sentences, and names that are read off the evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from planted_world import EFFOPD, OPD, World, evidence

from effopd.findings.claims import CLAIMS
from effopd.findings.comparisons import AgainstRL, Check, Faster, Goal, Measured, claim, judge, verdict
from effopd.findings.estimates import Interval
from effopd.findings.measures import RATIOS, Measure
from effopd.findings.results import Intervened
from effopd.params.section import read_yaml
from effopd.report.story import STORY


def test_one_rule_makes_all_verdicts() -> None:
    assert verdict([True, True]) == "reproduced"
    assert verdict([True, False]) == "partly"
    assert verdict([True, None]) == "partly"
    assert verdict([False, None]) == "not reproduced"
    assert verdict([None, None]) == "not measured"
    assert verdict([]) == "not measured"


@pytest.mark.parametrize(
    ("goal", "found", "expected"),
    [
        (Goal("value", ">=", 0.5), Interval(0.5), True),
        (Goal("value", ">", 0.5), Interval(0.5), False),
        (Goal("low", ">", 0.0), Interval(0.1, -0.01, 0.2), False),
        (Goal("high", "<", 0.0), Interval(-0.1, -0.2, -0.01), True),
        (Goal("reach", "<", 0.02), Interval(0.0, -0.01, 0.02), False),
        (Goal("reach", "<", 0.02), Interval(0.0, -0.019, 0.01), True),
        (Goal("low", ">", 0.0), Interval(0.1), None),
        (Goal("value", ">", 0.0), Interval(math.nan), None),
        (Goal("value", ">", "base"), Interval(0.41), True),  # the planted base has 0.4
        (Goal("value", ">", "base"), Interval(0.39), False),
    ],
)
def test_a_goal_is_asked_of_an_end_and_of_nothing_that_is_not_defined(
    world: World, goal: Goal, found: Interval, expected: Check
) -> None:
    assert goal.check(found, world.evidence()) is expected


def test_a_claim_is_an_entry_of_names_levels_and_words(world: World) -> None:
    """Each comparison is a sentence; a method that was not run keeps a claim from being reproduced."""
    entry = claim(
        "ends", "learning_curves", "All end at {target} % of the best or more.",
        Measured("accuracy at the end", "end", [Goal("value", ">=", 0.95)], ["rl", "effopd"]),
        Measured("the base has", "base"),
        AgainstRL(Measure("learning rate", lambda run: run.learning_rate, ".0e"), "below"),
        Faster("steps", "steps saved", [Goal("value", ">", 1.0)]),
    )  # fmt: skip
    found = judge(entry, world.evidence())
    assert found.statement == "All end at 95 % of the best or more." and found.figure == "learning_curves"
    assert found.verdict == "partly"  # the learning rates are equal
    assert found.finding == (
        "Accuracy at the end: 1.000 (interval 0.980 to 1.020) in RL, 1.000 (interval 0.980 to 1.020) in EffOPD "
        "(replicates 1.000–1.000). The base has: 0.400 (interval 0.380 to 0.420). Learning rate: 1e-04 (1e-04–1e-04) "
        "in OPD, 1e-04 in RL. Steps saved: median 9.51 (replicates: 9.51, 9.51, 9.51)."
    )
    results = world.read()
    without = evidence(replace(results, runs=tuple(run for run in results.runs if run.method != "rl")))
    end = claim("end", "learning_curves", "All arrive.", entry.comparisons[0])
    assert judge(end, world.evidence()).verdict == "reproduced" and judge(end, without).verdict == "partly"
    assert judge(end, without).finding.startswith("Accuracy at the end: RL was not run, 1.000 (")
    told = claim(
        "told",
        "learning_curves",
        "Nothing.",
        Measured("nothing", "nothing"),
        Measured("one", "none", [Goal("value", ">", 0)]),
    )
    assert (judge(told, without).verdict, judge(told, without).finding) == ("not measured", "One: not measured.")


def test_claims_name_what_is_read_and_drawn(world: World) -> None:
    """A name that nothing is read under would be told as not measured for ever."""
    world.run("opd-0", OPD, spectral=True, alignment=((4, 0.1), (64, 1.0)))
    world.run("effopd-0", (*EFFOPD, 1.0, 1.0, 1.0), spectral=True, triggers=True)
    results = world.read()

    def fewer(rows: Sequence[Intervened]) -> tuple[Intervened, ...]:
        return *rows, *(replace(row, percent=1.0) for row in rows if row.percent == 10)

    runs = tuple(replace(run, interventions=fewer(run.interventions)) for run in results.runs)
    read = evidence(replace(results, runs=runs)).readings.keys()
    comparisons = [one for entry in CLAIMS for one in entry.comparisons]
    goals = [goal for one in comparisons if not isinstance(one, AgainstRL) for goal in one.goals]
    named = {one.name for one in comparisons if isinstance(one, Measured)}
    assert named | {goal.level for goal in goals if isinstance(goal.level, str)} == read
    assert {one.ratio for one in comparisons if isinstance(one, Faster)} <= RATIOS.keys()
    drawn = {said["name"] for chapter in read_yaml(STORY)["chapters"] for said in chapter["figures"]}
    assert {entry.figure for entry in CLAIMS} <= drawn | {"spectral_table"}
    assert len({entry.name for entry in CLAIMS}) == len(CLAIMS)
    assert all(entry.comparisons or entry.unheard for entry in CLAIMS)
