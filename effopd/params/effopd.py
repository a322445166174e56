"""Sections `effopd` and `effopd_free`: extrapolation on top of OPD (arXiv 2605.11739, algorithm 1), and beyond it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from effopd.params.section import Section


class EffOPDParams(Section):
    steps: int = Field(ge=1)
    triggers: int | Literal["exponential"]
    direction: Literal["update", "random"]
    multipliers: list[float] = Field(min_length=1)
    anchor: Literal["accepted", "trained"]
    scope: Literal["all", "blocks"]
    score: Literal["accuracy", "teacher_kl"]
    samples: int = Field(ge=1)
    score_share: float = Field(gt=0, le=1)
    least_effective: float = Field(ge=0, lt=1)
    accept: Literal[">=", ">"]
    without_signal: Literal["stay", "leap"]
    optimizer: Literal["keep", "reset"]
    rate: Literal["keep", "follow"]
    lower: float = Field(gt=0, le=1)
    lowest_rate: float = Field(gt=0)
    highest_rate: float = Field(gt=0)

    def idle(self) -> tuple[str, ...]:
        unscored = ("score_share", "least_effective") if self.score == "accuracy" else ("samples",)
        return unscored if self.rate == "follow" else (*unscored, "lower", "lowest_rate", "highest_rate")

    @field_validator("triggers", mode="before")
    @classmethod
    def _sometimes(cls, triggers: Any) -> Any:
        if triggers != "exponential" and (type(triggers) is not int or triggers < 1):
            raise ValueError("must be exponential, or after every how many updates to search, 1 or more")
        return triggers

    @field_validator("multipliers")
    @classmethod
    def _lead_somewhere(cls, multipliers: list[float]) -> list[float]:
        if min(multipliers) <= -1:
            raise ValueError("each must be above -1, which undoes the whole stretch")
        if len(set(multipliers)) < len(multipliers):
            raise ValueError("must not hold a multiplier twice")
        return multipliers

    @model_validator(mode="after")
    def _in_order(self) -> EffOPDParams:
        if self.lowest_rate > self.highest_rate:
            raise ValueError("lowest_rate is larger than highest_rate")
        return self


class EffOPDFreeParams(EffOPDParams):
    """EffOPD that finds its own rate: it starts from one of its own, and makes several updates of each batch."""

    learning_rate: float = Field(gt=0)
    updates_per_batch: int = Field(ge=1)
