"""Section `run`: what every stage shares."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from effopd.params.section import Section


class RunParams(Section):
    seed: int = Field(ge=0, lt=2**32)
    replicates: list[int] = Field(min_length=1, max_length=1000)
    threads: int = Field(ge=1)
    device: Literal["cpu", "cuda"]

    @field_validator("replicates")
    @classmethod
    def _distinct(cls, replicates: list[int]) -> list[int]:
        if min(replicates) < 0 or len(set(replicates)) < len(replicates):
            raise ValueError("must be distinct and not negative")
        return replicates
