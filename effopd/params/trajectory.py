"""Section `trajectory`: which steps are kept."""

from __future__ import annotations

from pydantic import Field

from effopd.params.section import Section


class TrajectoryParams(Section):
    per_octave: int = Field(ge=1, le=8)
