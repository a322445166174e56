"""Section `rl`: reinforcement learning from the base; its last checkpoint is the teacher."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from effopd.params.section import Section


class RLParams(Section):
    algorithm: Literal["grpo", "dapo", "ppo"]
    steps: int = Field(ge=1)
    prompts_per_step: int = Field(ge=1)
    group_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    updates_per_batch: int = Field(ge=1)
    clip: float = Field(gt=0, lt=1)
    clip_high: float = Field(gt=0)
    kl_coefficient: float = Field(ge=0)
    critic_learning_rate: float = Field(gt=0)
    gae_lambda: float = Field(ge=0, le=1)
    value_clip: float = Field(gt=0)

    def idle(self) -> tuple[str, ...]:
        match self.algorithm:
            case "grpo":
                return ("clip_high", "critic_learning_rate", "gae_lambda", "value_clip")
            case "dapo":
                return ("kl_coefficient", "critic_learning_rate", "gae_lambda", "value_clip")
            case "ppo":
                return ("clip_high",)

    @model_validator(mode="after")
    def _groups_can_be_compared(self) -> RLParams:
        if self.group_size == 1 and self.algorithm != "ppo":
            raise ValueError(f"a group_size of 1 needs ppo: {self.algorithm} compares the completions of a prompt")
        return self
