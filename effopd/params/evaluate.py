"""Section `evaluate`: accuracy of checkpoints on the test prompts."""

from __future__ import annotations

from pydantic import Field, field_validator

from effopd.params.section import Section


class EvaluateParams(Section):
    samples: int = Field(ge=1, le=4096)
    pass_at: list[int] = Field(min_length=1)
    batch_size: int = Field(ge=1)
    confidence: float = Field(gt=0, lt=1)
    resamples: int = Field(ge=1)

    @field_validator("pass_at")
    @classmethod
    def _positive(cls, pass_at: list[int]) -> list[int]:
        if min(pass_at) < 1:
            raise ValueError("pass@k needs k of at least 1")
        return pass_at
