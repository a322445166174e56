"""Section `prompt`: how questions of datasets are put to a model; the built-in world has prompts of its own."""

from __future__ import annotations

from typing import Literal

from effopd.params.section import Section


class PromptParams(Section):
    style: Literal["plain", "chat"]
    tokenizer: str
    revision: str
    thinking: bool
