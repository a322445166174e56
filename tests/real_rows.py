"""Where real rows of published datasets lie, for tests that use them; they are no part of this repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[1].parent / "shared" / "data"
ROWS = Path(os.environ.get("EFFOPD_REAL_ROWS", _BESIDE))
FILES = {
    "deepmath_train.parquet": ("deepmath", 14116),
    "deepmath_test.jsonl": ("deepmath", 10303),
    "math500.jsonl": ("math500", 500),
    "aime24.jsonl": ("aime24", 30),
    "minerva.jsonl": ("minerva", 272),
}

needs_real_rows = pytest.mark.skipif(
    not (ROWS / "math500.jsonl").is_file(),
    reason="no real rows: they lie neither in ../shared/data nor where EFFOPD_REAL_ROWS points",
)
