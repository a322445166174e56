"""What to decide: which of the candidates at a trigger to keep (arXiv 2605.11739, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol


class Path(Protocol):
    """Weights that can be put anywhere on a line, and back."""

    def go(self, multiplier: float) -> None: ...

    def stay(self) -> None: ...


@dataclass(frozen=True)
class Score:
    """value: the higher, the better. effective: the share of tokens that still count as samples of these weights.

    by_problem: mean accuracy on each validation problem, where that is what was measured.
    """

    value: float
    effective: float | None = None
    by_problem: tuple[float, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """One leap: W + multiplier · Δ, and what it scored; None when its weights or its score were not finite."""

    k: int
    multiplier: float
    score: Score | None


@dataclass(frozen=True)
class Decision:
    """score: of the trained weights. candidates: those tried, in order. accepted: the k that was kept, 0 for none."""

    score: Score | None
    candidates: tuple[Candidate, ...]
    accepted: int

    @property
    def without_signal(self) -> bool:
        """Whether every candidate scored what the trained weights did, on every problem: the scores tell nothing."""
        return bool(self.candidates) and all(candidate.score == self.score for candidate in self.candidates)


def search(
    path: Path,
    multipliers: Sequence[float],
    score: Callable[[], Score | None],
    accepts: Callable[[float, float], bool],
    least_effective: float = 0.0,
    leaps_blindly: bool = True,
) -> Decision:
    """Try the candidates in order, and leave the weights at the last one that was accepted, or where they were.

    Candidates forward, m ≥ 0, are tried until one fails; where none of them was kept, those backward are, likewise.
    A candidate fails when its score does not hold against the best so far (`accepts(score, best)`), when it has none,
    and when its effective share of samples is below `least_effective`: the score then says little.
    score: of the weights as they are; None when these or it are not finite. leaps_blindly: whether equal scores of all
    candidates and the weights, 0 of a weak student for example, are as good a reason to leap as any (≥ holds).
    """
    start = score()
    if start is None:  # nothing to beat
        return Decision(None, (), 0)
    best, accepted, tried = start.value, 0, list[Candidate]()
    numbered = list(enumerate(multipliers, start=1))
    for direction in ([n for n in numbered if n[1] >= 0], [n for n in numbered if n[1] < 0]):
        for k, multiplier in direction:
            path.go(multiplier)
            scored = score()
            tried.append(Candidate(k, multiplier, scored))
            says_little = scored is None or (scored.effective is not None and scored.effective < least_effective)
            if scored is None or says_little or not accepts(scored.value, best):
                break
            accepted, best = k, scored.value
        if accepted:
            break
    found = Decision(start, tuple(tried), accepted)
    if accepted and found.without_signal and not leaps_blindly:
        found = replace(found, accepted=0)
    if found.accepted:
        path.go(multipliers[found.accepted - 1])
    else:
        path.stay()
    return found
