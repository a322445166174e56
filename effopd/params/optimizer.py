"""Section `optimizer`: AdamW, shared by base, rl, opd and effopd; the last three keep a constant learning rate."""

from __future__ import annotations

from pydantic import Field

from effopd.params.section import Section


class OptimizerParams(Section):
    beta1: float = Field(ge=0, lt=1)
    beta2: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    max_grad_norm: float = Field(gt=0)
    micro_batch: int = Field(ge=1)
