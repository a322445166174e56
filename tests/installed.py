"""Programs of the system that some tests drive: without them these are skipped, except in continuous integration.

`python tests/installed.py` says which are missing, and what installs them.
"""

from __future__ import annotations

import os
import shutil
import sys

import pytest

PACKAGES = {  # by program, what Debian and Fedora call the package
    "bwrap": ("bubblewrap", "bubblewrap"),
    "g++": ("g++", "gcc-c++"),
    "chromium": ("chromium", "chromium"),
    "chromedriver": ("chromium-driver", "chromedriver"),
}


def missing(*programs: str) -> list[str]:
    return [program for program in programs if shutil.which(program) is None]


def advice(programs: list[str]) -> str:
    """What to type to have them."""
    debian, fedora = (" ".join(PACKAGES[program][system] for program in programs) for system in (0, 1))
    return f"sudo apt-get install {debian}" if shutil.which("apt-get") else f"sudo dnf install {fedora}"


def _needs(*programs: str) -> pytest.MarkDecorator:
    wanted = missing(*programs)
    reason = f"not installed here: {', '.join(wanted)}; {advice(wanted)}" if wanted else ""
    return pytest.mark.skipif(bool(wanted) and not os.environ.get("CI"), reason=reason)


needs_bubblewrap = _needs("bwrap", "g++")
needs_browser = _needs("chromium", "chromedriver")

if __name__ == "__main__" and (wanted := missing(*PACKAGES)):
    sys.stdout.write(f"Some tests were skipped for want of {', '.join(wanted)}: {advice(wanted)}\n")
