"""What a claim is, what it is made of, and the one rule that makes all verdicts.

A claim compares. Each comparison yields checks, each of which holds, fails or was not measured. All hold: reproduced.
None was measured: not measured. None holds: not reproduced. Anything between: partly. Where the evidence cannot speak
to a claim at all, the claim says why instead.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from effopd.findings import words
from effopd.findings.estimates import Interval, measured, middle
from effopd.findings.evidence import Evidence
from effopd.findings.measures import Measure

Verdict = Literal["reproduced", "partly", "not reproduced", "not measured", "not testable at this scale"]
Check = bool | None
Outcome = tuple[Sequence[Check], str]
"""The checks of a comparison, and what was measured, in a sentence; an empty one says nothing."""
RELATIONS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


@dataclass(frozen=True)
class Goal:
    """What has to hold: a value, an end of its interval, or how far this reaches from zero, against a level.

    level: a number, or the name of the reading that has it.
    """

    end: Literal["value", "low", "high", "reach"]
    relation: Literal[">", ">=", "<", "<="]
    level: float | str

    def check(self, found: Interval, evidence: Evidence) -> Check:
        end: float = getattr(found, self.end)
        level = evidence.readings[self.level][0].number.value if isinstance(self.level, str) else self.level
        return None if math.isnan(end) else RELATIONS[self.relation](end, level)


@dataclass(frozen=True)
class Measured:
    """The readings of a name, or those of some methods, each of which has to meet all goals.

    Without goals they are told and not judged.
    """

    label: str
    name: str
    goals: Sequence[Goal] = ()
    methods: Sequence[str] = ()

    def outcome(self, evidence: Evidence) -> Outcome:
        found = [one for one in evidence.readings.get(self.name, ()) if not self.methods or one.method in self.methods]
        if not found:
            return [None for _ in self.goals], f"{self.label}: {words.UNMEASURED}" if self.goals else ""
        checks = [goal.check(one.number, evidence) for one in found for goal in self.goals]
        return checks, f"{self.label}: {', '.join(one.words for one in found)}"


@dataclass(frozen=True)
class AgainstRL:
    """Every replicate of OPD has to lie on one side of RL."""

    measure: Measure | Callable[[Evidence], Measure]
    side: Literal["above", "below"]

    def outcome(self, evidence: Evidence) -> Outcome:
        measure = self.measure if isinstance(self.measure, Measure) else self.measure(evidence)
        label, form = measure.label, measure.form
        mine, other = (measured(evidence.results.of(method), measure.of) for method in ("opd", "rl"))
        against = middle(other)
        if not mine or against is None:
            return [None], f"{label}: {words.UNMEASURED} in both"
        said = f"{label}: {words.spread(mine, form)} in OPD, {words.written(against, form)} in RL"
        return [one > against if self.side == "above" else one < against for one in mine], said


@dataclass(frozen=True)
class Faster:
    """The median speed-up has to meet the goals, and that of some replicate the goal `some`.

    A speed-up that never arrives is −∞. A goal that hangs on replicates without one was not measured.
    """

    ratio: str
    label: str
    goals: Sequence[Goal] = ()
    some: Goal | None = None

    def outcome(self, evidence: Evidence) -> Outcome:
        found, name = evidence.speedup, self.ratio
        if not found.replicates:
            return [None], f"{self.label}: there is no replicate of both"
        checks: list[Check] = []
        for goal in self.goals:
            lowest, highest = (goal.check(Interval(end), evidence) for end in found.bounds(name))
            checks.append(lowest if lowest == highest else None)
        if self.some:
            each = [self.some.check(Interval(math.nan if x is None else x), evidence) for x in found.outcomes(name)]
            checks.append(True if any(each) else None if None in each else False)
        median = words.median_ratio(found, name)
        lead = {words.NEVER: "the median one", words.UNMEASURED: "the median was"}.get(median, "median")
        replicates = ", ".join(words.replicates_ratio(row, name) for row in found.replicates)
        return checks, f"{self.label}: {lead} {median} (replicates: {replicates})"


Unheard = Callable[[Evidence], tuple[Verdict, str] | None]
"""A verdict and its reason where the evidence cannot speak to a claim."""


@dataclass(frozen=True)
class Claim:
    """figure: where to see it. statement: the document's words; {target} is the share of OPD's end, in per cent."""

    name: str
    figure: str
    statement: str
    comparisons: tuple[Measured | AgainstRL | Faster, ...]
    unheard: Unheard


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict. finding: what was measured, in sentences."""

    name: str
    figure: str
    statement: str
    verdict: Verdict
    finding: str


def claim(
    name: str,
    figure: str,
    statement: str,
    *comparisons: Measured | AgainstRL | Faster,
    unheard: Unheard = lambda _: None,
) -> Claim:
    return Claim(name, figure, statement, comparisons, unheard)


def judge(claim: Claim, evidence: Evidence) -> Judged:
    statement = claim.statement.format(target=f"{evidence.target_share * 100:g}")
    found, finding = claim.unheard(evidence) or (None, "")
    if found is None:
        outcomes = [comparison.outcome(evidence) for comparison in claim.comparisons]
        found = verdict([check for checks, _ in outcomes for check in checks])
        finding = " ".join(f"{said[0].upper()}{said[1:]}." for _, said in outcomes if said)
    return Judged(claim.name, claim.figure, statement, found, finding)


def verdict(checks: Sequence[Check]) -> Verdict:
    """The rule above."""
    if all(check is None for check in checks):
        return "not measured"
    if all(checks):
        return "reproduced"
    return "partly" if any(checks) else "not reproduced"
