"""From graded completions to the rows of a learning curve."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from effopd.evaluation.accuracy import Graded
from effopd.evaluation.statistics import bootstrap, pass_at_k
from effopd.params.evaluate import EvaluateParams
from effopd.seeding import generator


def curve_row(step: int, sampled: Graded, greedy: Graded | None, params: EvaluateParams, seed: int) -> dict[str, Any]:
    """avg@k at temperature 1 with its interval, greedy accuracy, pass@k, mean length and truncated share of one step.

    greedy: None where it was not measured. Every row resamples the same problems, so that intervals of two models
    differ by the models alone.
    """
    estimate = bootstrap(sampled.scores_NS.mean(-1), params.confidence, params.resamples, generator(seed, "bootstrap"))
    correct_N = (sampled.scores_NS == 1.0).sum(-1)
    samples = sampled.scores_NS.shape[1]
    interval = {name: value for name, value in asdict(estimate).items() if name != "mean"}
    return {
        "step": step,
        "accuracy": estimate.mean,
        **interval,
        "greedy": None if greedy is None else float(greedy.scores_NS.mean()),
        **{f"pass_at_{k}": pass_at_k(correct_N, samples, k) for k in params.pass_at},
        "completion_length": float(np.mean(sampled.lengths_NS)),
        "truncated": float(np.mean(sampled.truncated_NS)),
    }
