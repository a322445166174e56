"""Section `base`: supervised fine-tuning of the model that every run starts from."""

from __future__ import annotations

from pydantic import Field

from effopd.params.section import Section


class BaseParams(Section):
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    warmup_steps: int = Field(ge=0)
