"""Section `live`: where a run's curves are shown while it trains. No result depends on it."""

from __future__ import annotations

from typing import Literal

from effopd.params.section import Section


class LiveParams(Section):
    tracker: Literal["tensorboard", "trackio", "wandb"]
