"""Which params a killed training run may be continued with other values of: what one changes for want of memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LAST_BITS = (
    "run.threads",
    "optimizer.micro_batch",
    "engine.activation_checkpointing",
    "engine.loss_chunk",
)
"""They change how sums are rounded, and nothing else; the run's record says that they were changed."""
CONTINUED_WITH = ("rollout.mismatch_budget", "trajectory.per_octave", *LAST_BITS)
"""Besides: a bound at which a run stops, and which of its checkpoints are kept."""


def rounded_by(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, of a stage's params, that last bits of its results come of."""
    return {key: values[key] for key in LAST_BITS if key in values}
