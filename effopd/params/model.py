"""Section `model`: the student, an existing model or one built from sizes."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from effopd.params.section import Pin, Place, Section

SMALLEST_VOCABULARY = 258
"""Of a byte-level tokenizer: 256 bytes, padding and the end token."""


class ModelParams(Section):
    source: Place
    revision: Pin
    vocabulary: int = Field(ge=0)
    hidden_size: int = Field(ge=1)
    layers: int = Field(ge=1)
    heads: int = Field(ge=1)
    kv_heads: int = Field(ge=1)
    mlp_size: int = Field(ge=1)
    context: int = Field(ge=1)

    @property
    def on_hub(self) -> bool:
        return "/" in self.source

    @field_validator("source")
    @classmethod
    def _a_name(cls, source: str) -> str:
        if source.count("/") > 1:
            raise ValueError("must be empty, the name of a folder in data/models/, or OWNER/NAME on the hub")
        return source

    @field_validator("vocabulary")
    @classmethod
    def _holds_all_bytes(cls, vocabulary: int) -> int:
        if 0 < vocabulary < SMALLEST_VOCABULARY:
            raise ValueError(f"must be 0 or at least {SMALLEST_VOCABULARY}, so that every text has tokens")
        return vocabulary

    @model_validator(mode="after")
    def _revisions_are_the_hubs(self) -> ModelParams:
        if self.revision and not self.on_hub:
            raise ValueError("revision pins a model on the hub, and source names none")
        return self

    @model_validator(mode="after")
    def _divisible(self) -> ModelParams:
        if self.hidden_size % (2 * self.heads):
            raise ValueError("hidden_size must be a multiple of 2 * heads (rotary embeddings pair up a head's axes)")
        if self.heads % self.kv_heads:
            raise ValueError("heads must be a multiple of kv_heads")
        return self
