"""What grading a completion comes to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """A score in [0, 1] and, in a few words, why.

    judged: False where the data cannot tell; the score is then 0, and no share of right answers should count it.
    """

    score: float
    reason: str
    judged: bool = True


def right(reason: str) -> Verdict:
    return Verdict(1.0, reason)


def wrong(reason: str) -> Verdict:
    return Verdict(0.0, reason)


def not_judged(reason: str) -> Verdict:
    return Verdict(0.0, f"not judged: {reason}", judged=False)


def shortened(text: str, length: int = 60) -> str:
    """One line of at most `length` characters, for reasons."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
