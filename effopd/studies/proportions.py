"""The document's proportions: OPD sees more completions a step than RL, for fewer steps. Each variant is a world of its
own, with its own base, RL and OPD, so that RL too has replicates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from effopd.findings import words
from effopd.findings.convergence import spent_to_own_end
from effopd.findings.measures import EMBEDDING_COSINE, FINAL_ACCURACY, TABLE_1, UPDATE_NORM, Measure, aligned_at
from effopd.studies.answers import Answer, claims_over, compared, counted, gap_over_worlds, holding
from effopd.studies.variants import Variant


def conclude(claims: Sequence[str], variants: Sequence[Variant]) -> Answer:
    measures = _measures(variants[0].evidence.target_share)
    numbers = [number for measure in measures for number in compared(variants, measure)]
    verdicts = claims_over(variants, claims)
    gaps = []
    for measure in measures:
        gap, form = gap_over_worlds(variants, measure), f"+{measure.form}"
        if not math.isnan(gap.value):
            has_interval = not math.isnan(gap.low)  # one world has none
            written = words.interval(gap, form) if has_interval else words.written(gap.value, form)
            gaps.append(f"{measure.label} {written}")
    worlds = f"Over {len(variants)} worlds" if len(variants) > 1 else "In one world"
    said = f"{worlds}, {counted(verdicts)}. OPD minus RL: {'; '.join(gaps)}."
    return Answer(numbers, holding(verdicts), said)


def _measures(target_share: float) -> tuple[Measure, ...]:
    return (
        FINAL_ACCURACY,
        spent_to_own_end("steps", target_share),
        spent_to_own_end("sampled_tokens", target_share),
        aligned_at(0.1),
        aligned_at(0.2),
        UPDATE_NORM,
        EMBEDDING_COSINE,
        *TABLE_1.values(),
    )
