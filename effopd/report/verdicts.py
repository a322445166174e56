"""What a claim is, and the one rule that makes all verdicts.

A claim is a list of checks, each of which holds, fails or was not measured. All hold: reproduced. None was measured:
not measured. None holds: not reproduced. Anything between: partly. A claim that runs of this size cannot speak to at
all is not testable at this scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["reproduced", "partly", "not reproduced", "not measured", "not testable at this scale"]
Check = bool | None


@dataclass(frozen=True)
class Claim:
    """statement: what is claimed. finding: what was measured, in a sentence. figure: where to see it."""

    name: str
    statement: str
    verdict: Verdict
    finding: str
    figure: str


def verdict(checks: Sequence[Check]) -> Verdict:
    """The rule above."""
    if all(check is None for check in checks):
        return "not measured"
    if all(checks):
        return "reproduced"
    return "partly" if any(checks) else "not reproduced"
