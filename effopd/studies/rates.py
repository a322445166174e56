"""The rate at which training begins: accuracy after a few batches over rate and method. A variant is a rate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from effopd.files import DataError
from effopd.findings.estimates import Interval
from effopd.findings.measures import label_of
from effopd.findings.results import Checkpoint, Run
from effopd.studies.answers import Answer, Number
from effopd.studies.variants import Variant

BATCHES = 8
METHODS = ("opd", "effopd", "effopd-free")
"""The better, the later, says the statement."""


def conclude(_: Sequence[str], variants: Sequence[Variant]) -> Answer:
    """The worst accuracy over rates has to rise from method to method, by more than the intervals over problems."""
    numbers, worst = [], []
    for method in METHODS:
        points = {variant.name: _after(_run(variant, method)) for variant in variants}
        for rate, point in points.items():
            accuracy = Interval(point.accuracy, point.low, point.high)
            numbers.append(Number(f"accuracy after {BATCHES} batches", rate, label_of(method), accuracy))
            tokens = Interval(point.sampled_tokens)
            numbers.append(Number("sampled tokens, validation included", rate, label_of(method), tokens))
        worst.append(min(points.items(), key=lambda named: named[1].accuracy))
    checks = [later.low > sooner.high for (_, sooner), (_, later) in pairwise(worst)]
    each = [
        f"{label_of(method)} {point.accuracy:.2f} ({point.low:.2f} to {point.high:.2f}) from {rate}"
        for method, (rate, point) in zip(METHODS, worst, strict=True)
    ]
    most = {method: max(_after(_run(variant, method)).accuracy for variant in variants) for method in METHODS}
    best = ", ".join(f"{label_of(method)} {accuracy:.2f}" for method, accuracy in most.items())
    said = f"After {BATCHES} batches the worst of {len(variants)} rates leaves {'; '.join(each)}. The best: {best}."
    return Answer(numbers, checks, said)


def _run(variant: Variant, method: str) -> Run:
    return variant.evidence.results.of(method)[0]


def _after(run: Run) -> Checkpoint:
    """Where every method has a checkpoint, of however many updates."""
    found = [point for point in run.curve if point.step == BATCHES]
    if not found:
        raise DataError(f"{run.name}: no checkpoint at step {BATCHES}, at which methods are compared")
    return found[0]
