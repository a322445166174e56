"""Section `opd`: on-policy distillation. EffOPD trains with the same values."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from effopd.params.section import Section


class OPDParams(Section):
    loss: Literal["sampled", "exopd", "reverse_kl", "forward_kl", "jsd"]
    exopd_lambda: float = Field(gt=0)
    jsd_beta: float = Field(gt=0, lt=1)
    importance_cap: float = Field(ge=1)
    log_ratio_cap: float = Field(gt=0)
    steps: int = Field(ge=1)
    prompts_per_step: int = Field(ge=1)
    updates_per_batch: int = Field(ge=1)
    least_effective: float = Field(ge=0, lt=1)
    learning_rate: float = Field(gt=0)
    decay: Literal["none", "linear", "cosine"]
    warmup_steps: int = Field(ge=0)
    sweep: list[float] = Field(min_length=1)
    sweep_steps: int = Field(ge=1)

    def idle(self) -> tuple[str, ...]:
        readers = {"importance_cap": {"sampled", "exopd"}, "exopd_lambda": {"exopd"}, "jsd_beta": {"jsd"}}
        return tuple(key for key, losses in readers.items() if self.loss not in losses)

    @field_validator("sweep", mode="before")
    @classmethod
    def _written_as_in_the_names_of_runs(cls, sweep: Any) -> Any:
        if isinstance(sweep, list) and any(type(rate) is int for rate in sweep):
            raise ValueError("a rate is written with a point, 1.0 for 1: the name of its run holds it as it is written")
        return sweep

    @field_validator("sweep")
    @classmethod
    def _rates(cls, sweep: list[float]) -> list[float]:
        if min(sweep) <= 0 or len(set(sweep)) < len(sweep):
            raise ValueError("learning rates must be positive and distinct")
        return sweep
