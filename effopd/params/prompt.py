"""Section `prompt`: how questions of datasets are put to a model; the built-in world has prompts of its own."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from effopd.params.section import Pin, Place, Section


class PromptParams(Section):
    style: Literal["plain", "chat"]
    tokenizer: Place
    revision: Pin
    thinking: bool

    @model_validator(mode="after")
    def _chat_has_a_template(self) -> PromptParams:
        if self.style == "chat" and not self.tokenizer:
            raise ValueError("style chat needs a tokenizer, whose template it is: a model's folder or name on the hub")
        return self
