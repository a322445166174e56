"""From the records of a benchmark to its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from effopd.evaluation.records import Record
from effopd.evaluation.statistics import bootstrap, pass_at_k
from effopd.files import DataError
from effopd.seeding import generator

RESAMPLES = 2000


def summarise(records: Sequence[Record], samples: int, *, confidence: float, seed: int) -> dict[str, Any]:
    """avg@k with its interval over problems, pass@1, 2, 4, … up to k, mean length and the share cut off at the limit.

    records: ordered by problem, `samples` of each. A problem of which one sample could not be judged is left out of all
    figures and counted as `not_judged`. Raises `DataError` where none is left.
    """
    not_judged = {record.problem for record in records if not record.judged}
    problems = len({record.problem for record in records})
    records = [record for record in records if record.problem not in not_judged]
    if not records:
        raise DataError(f"none of {problems} problems could be judged; see the reasons in the records")
    scores_NS = np.array([record.score for record in records]).reshape(-1, samples)
    estimate = bootstrap(scores_NS.mean(-1), confidence, RESAMPLES, generator(seed, "bootstrap"))
    correct_N = (scores_NS == 1.0).sum(-1)
    ks = sorted({2**i for i in range(samples.bit_length())} | {samples})
    return {
        "problems": len(scores_NS),
        "not_judged": len(not_judged),
        "samples": samples,
        "accuracy": estimate.mean,
        "low": estimate.low,
        "high": estimate.high,
        "standard_error": float(scores_NS.mean(-1).std(ddof=1) / len(scores_NS) ** 0.5) if len(scores_NS) > 1 else 0.0,
        "pass_at": {str(k): pass_at_k(correct_N, samples, k) for k in ks if k <= samples},
        "completion_length": float(np.mean([record.tokens for record in records])),
        "truncated": float(np.mean([record.truncated for record in records])),
    }
