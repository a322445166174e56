"""Section `teacher`: who scores the students' completions, and how much of its distribution is used."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from effopd.params.section import Pin, Section

WHOLE, SAMPLED = 0, -1
"""Values of `top_k` that are no number of tokens: the whole vocabulary, or the sampled token alone."""

RL = "rl"
"""The source that stands for the last checkpoint of reinforcement learning."""


class TeacherSource(Section):
    source: str = Field(min_length=1)
    revision: Pin
    engine: Literal["transformers", "vllm", "served"]
    url: str

    @model_validator(mode="after")
    def _served_has_a_url(self) -> TeacherSource:
        if self.engine == "served" and not self.url.startswith(("http://", "https://")):
            raise ValueError("engine served needs a url, such as http://127.0.0.1:8000")
        if self.engine != "served" and self.url:
            raise ValueError(f"url is for the engine served, and the engine is {self.engine}")
        if self.revision and (self.source == RL or self.engine == "served"):
            raise ValueError("revision pins a folder or a name on the hub, neither the teacher of rl nor a served one")
        return self


class TeacherParams(TeacherSource):
    top_k: int = Field(ge=-1)
    gpu_memory: float = Field(gt=0, lt=1)
    named: dict[str, TeacherSource]

    @field_validator("named")
    @classmethod
    def _have_names(cls, named: dict[str, TeacherSource]) -> dict[str, TeacherSource]:
        if "" in named:
            raise ValueError("a named teacher needs a name; problems without one go to the section's own teacher")
        return named
