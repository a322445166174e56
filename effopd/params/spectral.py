"""Section `spectral`: the analysis of weight updates."""

from __future__ import annotations

from pydantic import Field

from effopd.params.section import Section


class SpectralParams(Section):
    top_k: int = Field(ge=1)
