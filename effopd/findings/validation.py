"""Whether easy, medium and hard validation prompts would have kept the leaps that all of them together kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import mean

from effopd.findings.results import Run, Trigger

THIRDS = ("easiest", "middle", "hardest")


def decisions_of_thirds(runs: Sequence[Run]) -> Iterator[tuple[str, int, int, int]]:
    """For each third of the validation prompts: its name, searches, those in which it keeps the same, and its ties.

    Prompts are ranked by their success at the run's first trigger, after one update. A third decides among the
    candidates that were tried, as the search does: forward until one falls behind the best so far. A tie is a candidate
    that scores exactly as the best so far; it counts as no worse.
    """
    scored = [(run, [trigger for trigger in run.triggers if trigger.by_problem]) for run in runs]
    for i, name in enumerate(THIRDS):
        searches = same = ties = 0
        for _, triggers in scored:
            for trigger in triggers:
                ranked = sorted(range(len(trigger.by_problem)), key=lambda n: -triggers[0].by_problem[n])
                third = ranked[i * len(ranked) // 3 : (i + 1) * len(ranked) // 3]
                kept, tied = _decide(trigger, third)
                searches, same, ties = searches + 1, same + (kept == trigger.accepted), ties + tied
        if searches:
            yield name, searches, same, ties


def _decide(trigger: Trigger, problems: Sequence[int]) -> tuple[int, bool]:
    """Which candidate some of the problems keep, 0 for none; whether one of them scored as the best so far."""
    best, kept, tied = mean(trigger.by_problem[n] for n in problems), 0, False
    for one in trigger.candidates:
        if not one.by_problem or (score := mean(one.by_problem[n] for n in problems)) < best:
            break
        best, kept, tied = score, one.k, tied or score == best
    return kept, tied
