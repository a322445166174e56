"""Which commit a report was made from."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Revision:
    """commit: None outside a git repository. is_modified: tracked files differ from it."""

    commit: str | None
    is_modified: bool | None


def revision() -> Revision:
    """The commit that is checked out. dvc.lock is left out: the pipeline writes it while it runs."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return Revision(None, None)
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)dvc.lock")
    return Revision(commit, None if changed is None else bool(changed))


def _git(*arguments: str) -> str | None:
    try:
        found = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
