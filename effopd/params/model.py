"""Section `model`: the shape of the student."""

from __future__ import annotations

from pydantic import Field, model_validator

from effopd.params.section import Section


class ModelParams(Section):
    hidden_size: int = Field(ge=1)
    layers: int = Field(ge=1)
    heads: int = Field(ge=1)
    kv_heads: int = Field(ge=1)
    mlp_size: int = Field(ge=1)
    context: int = Field(ge=1)

    @model_validator(mode="after")
    def _divisible(self) -> ModelParams:
        if self.hidden_size % (2 * self.heads):
            raise ValueError("hidden_size must be a multiple of 2 * heads (rotary embeddings pair up a head's axes)")
        if self.heads % self.kv_heads:
            raise ValueError("heads must be a multiple of kv_heads")
        return self
