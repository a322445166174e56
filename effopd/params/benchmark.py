"""Section `benchmark`: published benchmarks, or one's own, for the final weights of some runs."""

from __future__ import annotations

from pydantic import Field, field_validator

from effopd.params.section import Section


class BenchmarkParams(Section):
    datasets: list[str]
    runs: list[str]
    samples: int = Field(ge=0, le=4096)
    limit: int = Field(ge=0)
    max_new_tokens: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    allow_unsandboxed: bool
    url: str

    @field_validator("url")
    @classmethod
    def _of_a_server(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("must be empty, or the URL of a vLLM server, such as http://127.0.0.1:8000")
        return url
