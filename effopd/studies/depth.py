"""Depth: what can be said of layers where there are enough of them, by the report's interventions and norms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from effopd.findings import words
from effopd.findings.interventions import Apart
from effopd.findings.measures import ATTENTION, FINAL_ACCURACY, OUTER_HALF, label_of, share_held
from effopd.studies.answers import Answer, Number, claims_over, compared, counted, holding
from effopd.studies.variants import Variant

MEASURES = (FINAL_ACCURACY, *(share_held(part, at) for part in (OUTER_HALF, ATTENTION) for at in (0.1, 1.0)))


def conclude(claims: Sequence[str], variants: Sequence[Variant]) -> Answer:
    numbers = [number for measure in MEASURES for number in compared(variants[:1], measure)]
    said = []
    for variant in variants:
        half = variant.params.interventions.half_width
        for method, one in variant.evidence.apart.items():
            numbers += _windows(one, method, half)
        found = variant.evidence.readings.get("middle_minus_rest", ())
        windows = f"windows of {2 * half + 1} layer{'s' if half else ''}"
        said.append(
            f"Middle half minus the rest in {windows}: {', '.join(one.words for one in found) or words.UNMEASURED}."
        )
    verdicts = claims_over(variants, claims)
    return Answer(numbers, holding(verdicts), f"{counted(verdicts).capitalize()}. {' '.join(said)}")


def _windows(one: Apart, method: str, half_width: int) -> Iterator[Number]:
    """What the update of each window of layers gains alone, with its interval over problems."""
    for kind, name in (("mlp", "MLP"), ("attention", "attention")):
        for row in one.rows("window", kind=kind):
            gain = one.difference(row, one.base)
            if not math.isnan(gain.value):
                measure = f"accuracy gained by the {name} of windows of {2 * half_width + 1}"
                yield Number(measure, f"layer {row.centre}", label_of(method), gain)
