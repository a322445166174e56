"""What a study answers: numbers with intervals, checks, and the verdict and the sentence that follow from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.stats import t as student_t

from effopd.findings.comparisons import Check, Verdict, verdict
from effopd.findings.estimates import Interval, measured
from effopd.findings.measures import Measure, label_of
from effopd.studies.variants import Variant


@dataclass(frozen=True)
class Number:
    """One number of a study. measure: which axis it belongs on. label: the place there. series: what is compared."""

    measure: str
    label: str
    series: str
    value: Interval


@dataclass(frozen=True)
class Answer:
    """numbers: for the figures. checks: what has to hold for the statement. sentence: what was found, in words."""

    numbers: Sequence[Number]
    checks: Sequence[Check]
    sentence: str

    @property
    def verdict(self) -> Verdict:
        return verdict(self.checks)


Conclude = Callable[[Sequence[str], Sequence[Variant]], Answer]
"""What a study's module has: from the claims that it is asked about and its variants to its answer."""


def over_worlds(values: Sequence[float], confidence: float) -> Interval:
    """The mean of independent repetitions, with Student's interval and the extremes; NaN bounds for fewer than two."""
    if not values:
        return Interval(math.nan)
    mean = fmean(values)
    if len(values) < 2:
        return Interval(mean, smallest=mean, largest=mean)
    reach = float(student_t.ppf(0.5 + confidence / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - reach, mean + reach, min(values), max(values))


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict on a claim from those of several variants: what all say, or partly. Who heard nothing has no say."""
    heard = [one for one in verdicts if one not in ("not measured", "not testable at this scale")]
    if not heard:
        return "not measured" if "not measured" in verdicts or not verdicts else "not testable at this scale"
    return heard[0] if len(set(heard)) == 1 else "partly"


def claims_over(variants: Sequence[Variant], claims: Sequence[str]) -> dict[str, Verdict]:
    """Each claim's verdict over all variants."""
    return {name: together([variant.judged[name].verdict for variant in variants]) for name in claims}


def holding(verdicts: Mapping[str, Verdict]) -> list[Check]:
    """A check for each claim: that it is reproduced; None where it was not heard."""
    unheard = ("not measured", "not testable at this scale")
    return [None if found in unheard else found == "reproduced" for found in verdicts.values()]


def counted(verdicts: Mapping[str, Verdict]) -> str:
    """Which claims got each verdict: `reproduced: a, b; partly: c`."""
    said: dict[Verdict, list[str]] = {}
    for name, found in verdicts.items():
        said.setdefault(found, []).append(name)
    return "; ".join(f"{found}: {', '.join(names)}" for found, names in said.items())


def compared(variants: Sequence[Variant], measure: Measure) -> list[Number]:
    """`measure` of RL and of OPD in each variant, OPD's replicates as their mean with its extremes."""
    found = []
    for variant in variants:
        for method in ("rl", "opd"):
            if values := measured(variant.evidence.results.of(method), measure.of):
                value = Interval(fmean(values), smallest=min(values), largest=max(values))
                found.append(Number(measure.label, variant.name, label_of(method), value))
    return found


def gap_over_worlds(variants: Sequence[Variant], measure: Measure) -> Interval:
    """OPD's `measure` minus RL's, each variant being a world of its own in which both were trained."""
    gaps = []
    for variant in variants:
        opd, rl = (measured(variant.evidence.results.of(method), measure.of) for method in ("opd", "rl"))
        if opd and rl:
            gaps.append(fmean(opd) - fmean(rl))
    return over_worlds(gaps, variants[0].evidence.confidence)
