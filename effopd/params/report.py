"""Section `report`: what counts as having arrived."""

from __future__ import annotations

from pydantic import Field

from effopd.params.section import Section


class ReportParams(Section):
    title: str = Field(max_length=200, pattern=r"^[^\n\t]*$")
    target_share: float = Field(gt=0, le=1)
