"""Trackers of live curves that are not at hand; those that are have tests/peers/test_live_trackers.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from effopd.params.section import ParamsError
from effopd.train import trackers


@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_a_tracker_that_is_not_installed_is_one_line_that_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    with pytest.raises(
        ParamsError, match=rf"^live.tracker is {name}, which is not installed here: pip install {name}$"
    ):
        trackers.open_tracker(name, tmp_path)
