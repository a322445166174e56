"""How a stage ended."""

from enum import StrEnum


class Outcome(StrEnum):
    """RAN: its command ran. CACHED: nothing had changed. RESTORED: an earlier run's outputs were checked out from DVC's
    run-cache. FAILED: its command or DVC failed. SKIPPED: a stage upstream failed, so it was not tried."""

    RAN = "RAN"
    CACHED = "CACHED"
    RESTORED = "RESTORED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
