"""Metrics and parameters against the last commit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.project.repository import opened


def diffs(root: Path) -> Mapping[str, Any]:
    """What `dvc metrics diff` and `dvc params diff` say, under "metrics" and "params"."""
    with opened(root) as repo:
        return {"metrics": repo.metrics.diff(), "params": repo.params.diff()}
