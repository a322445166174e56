"""Section `prompt`: how questions of datasets are put to a model; the built-in world has prompts of its own."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import field_validator, model_validator

from effopd.params.section import Pin, Place, Section


class PromptParams(Section):
    style: Literal["plain", "chat"]
    tokenizer: Place
    revision: Pin
    thinking: bool
    date: str

    @field_validator("date")
    @classmethod
    def _is_a_day(cls, day: str) -> str:
        try:
            valid = not day or date.fromisoformat(day).isoformat() == day
        except ValueError:
            valid = False
        if not valid:
            raise ValueError("must be empty, or a day such as 2026-01-31")
        return day

    @model_validator(mode="after")
    def _chat_has_a_template(self) -> PromptParams:
        if self.style == "chat" and not self.tokenizer:
            raise ValueError("style chat needs a tokenizer, whose template it is: a model's folder or name on the hub")
        return self
