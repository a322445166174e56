"""Section `effopd`: extrapolation on top of OPD (METHOD: arXiv 2605.11739, algorithm 1)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from effopd.params.section import Section


class EffOPDParams(Section):
    steps: int = Field(ge=1)
    multipliers: list[float] = Field(min_length=1)
    anchor: Literal["accepted", "trained"]
    accept: Literal[">=", ">"]
    optimizer: Literal["keep", "reset"]
    scope: Literal["all", "blocks"]
    samples: int = Field(ge=1)
