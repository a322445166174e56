"""Section `interventions`: what is done to the weight updates before they are evaluated (METHOD §5)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from effopd.params.section import Section

Share = Annotated[float, Field(gt=0, lt=1)]
Percent = Annotated[float, Field(gt=0, lt=100)]


class InterventionParams(Section):
    methods: list[Literal["opd", "effopd"]] = Field(min_length=1)
    samples: int = Field(ge=1, le=4096)
    alpha: list[Share]
    progress: list[Share] = Field(min_length=1)
    beta: list[float]
    extrapolated_from: list[Share]
    half_width: int = Field(ge=0)
    top_percent: list[Percent]
    bottom_percent: list[Percent]

    @field_validator("methods", "alpha", "progress", "beta", "extrapolated_from", "top_percent", "bottom_percent")
    @classmethod
    def _distinct(cls, values: list[Any]) -> list[Any]:
        if len(set(values)) < len(values):
            raise ValueError("must not hold a value twice")
        return values

    @field_validator("beta")
    @classmethod
    def _ends_are_measured_anyway(cls, values: list[float]) -> list[float]:
        if {0.0, 1.0} & set(values):
            raise ValueError("must not hold 0 or 1, which are measured at every progress")
        return values
