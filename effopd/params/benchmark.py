"""Section `benchmark`: published benchmarks, or one's own, for the final weights of some runs."""

from __future__ import annotations

from pydantic import Field, field_validator

from effopd.params.section import Name, Section, Url


class BenchmarkParams(Section):
    datasets: list[Name]
    runs: list[Name]
    samples: int = Field(ge=0, le=4096)
    limit: int = Field(ge=0)
    max_new_tokens: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    allow_unsandboxed: bool
    url: Url

    @field_validator("datasets", "runs")
    @classmethod
    def _distinct(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError("must not hold a name twice")
        return names
