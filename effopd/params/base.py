"""Section `base`: supervised fine-tuning of the model that every run starts from; 0 steps leave it as it is."""

from __future__ import annotations

from pydantic import Field

from effopd.params.section import Section


class BaseParams(Section):
    steps: int = Field(ge=0)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    warmup_steps: int = Field(ge=0)
