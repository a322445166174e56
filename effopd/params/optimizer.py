"""Section `optimizer`: AdamW with a constant learning rate and no warm-up, shared by rl, opd and effopd."""

from __future__ import annotations

from pydantic import Field

from effopd.params import Section


class OptimizerParams(Section):
    beta1: float = Field(ge=0, lt=1)
    beta2: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    max_grad_norm: float = Field(gt=0)
    micro_batch: int = Field(ge=1)
