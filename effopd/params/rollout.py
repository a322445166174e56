"""Section `rollout`: how students are sampled (always at temperature 1 from the whole vocabulary: on-policy)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from effopd.params.section import Section


class RolloutParams(Section):
    engine: Literal["transformers", "vllm"]
    gpu_memory: float = Field(gt=0, lt=1)
    max_new_tokens: int = Field(ge=1)
    mismatch_budget: float = Field(gt=0)
