"""Section `teacher`: who scores the students' completions, and how much of its distribution is used."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from effopd.params.section import Name, Pin, Section, Url, is_place

WHOLE, SAMPLED = 0, -1
"""Values of `top_k` that are no number of tokens: the whole vocabulary, or the sampled token alone."""

RL = "rl"
"""The source that stands for the last checkpoint of reinforcement learning."""


class TeacherSource(Section):
    source: str
    revision: Pin
    engine: Literal["transformers", "vllm", "served"]
    url: Url

    @model_validator(mode="after")
    def _can_be_named(self) -> TeacherSource:
        if self.engine != "served" and not (self.source and is_place(self.source)):
            raise ValueError(f"source must be {RL}, OWNER/NAME, or the path of a folder")
        if not re.fullmatch(r"[\w./:@+-]{1,200}", self.source):
            raise ValueError("source must be what the server calls it: letters, digits and ./:@+_-, 200 at most")
        return self

    @model_validator(mode="after")
    def _served_has_a_url(self) -> TeacherSource:
        if self.engine == "served" and not self.url:
            raise ValueError("engine served needs a url, such as http://127.0.0.1:8000")
        if self.engine != "served" and self.url:
            raise ValueError(f"url is for the engine served, and the engine is {self.engine}")
        if self.revision and (self.source == RL or self.engine == "served"):
            raise ValueError("revision pins a folder or a name on the hub, neither the teacher of rl nor a served one")
        return self


class TeacherParams(TeacherSource):
    top_k: int = Field(ge=-1)
    gpu_memory: float = Field(gt=0, lt=1)
    named: dict[Name, TeacherSource]
