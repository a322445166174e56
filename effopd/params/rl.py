"""Section `rl`: reinforcement learning from the base; its last checkpoint is the teacher."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from effopd.params.section import Section


class RLParams(Section):
    algorithm: Literal["grpo", "dapo"]
    steps: int = Field(ge=1)
    prompts_per_step: int = Field(ge=1)
    group_size: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
    updates_per_batch: int = Field(ge=1)
    clip: float = Field(gt=0, lt=1)
    clip_high: float = Field(gt=0)
    kl_coefficient: float = Field(ge=0)
