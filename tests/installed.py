"""Programs of the system that some tests drive: without them these are skipped, except in continuous integration."""

from __future__ import annotations

import os
import shutil

import pytest


def _needs(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(
        bool(missing) and not os.environ.get("CI"), reason=f"not installed here: {', '.join(missing)}"
    )


needs_bubblewrap = _needs("bwrap")
needs_browser = _needs("chromium", "chromedriver")
