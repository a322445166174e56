"""Section `engine`: what trains: one torch process, or DeepSpeed over several."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from effopd.params.section import Section


class EngineParams(Section):
    name: Literal["torch", "deepspeed"]
    ranks: int = Field(ge=1)
    zero_stage: int = Field(ge=0, le=3)
    precision: Literal["float32", "bfloat16"]
    offload_optimizer: bool
    activation_checkpointing: bool
    loss_chunk: int = Field(ge=0)
    lora_rank: int = Field(ge=0)
    lora_alpha: float = Field(gt=0)
    hostfile: str = Field(max_length=200, pattern=r"^(/?\w[\w./-]*)?$")

    def idle(self) -> tuple[str, ...]:
        alone = ("zero_stage", "offload_optimizer") if self.name == "torch" else ()
        return (*alone, *(() if self.lora_rank else ("lora_alpha",)))

    @model_validator(mode="after")
    def _torch_is_one_process(self) -> EngineParams:
        if self.name == "torch" and (self.ranks > 1 or self.offload_optimizer):
            raise ValueError("the torch engine is one process; ranks and offload need deepspeed")
        if self.offload_optimizer and self.zero_stage == 0:
            raise ValueError("offload_optimizer needs a zero_stage of 1 or more")
        if self.lora_rank and self.name == "deepspeed" and self.zero_stage == 3:
            raise ValueError("lora_rank needs a zero_stage of 2 or less: leaps move frozen weights, whole on each rank")
        return self


ALL_BUT_PRECISION = tuple(key for key in EngineParams.model_fields if key != "precision")
"""The keys that evaluation, which samples at the precision of training, does not depend on."""
