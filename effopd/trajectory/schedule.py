"""Exponential schedules."""

from __future__ import annotations


def is_trigger(step: int) -> bool:
    """Whether EffOPD extrapolates after this step: t = 2^n (arXiv 2605.11739, algorithm 1)."""
    return step > 0 and step & (step - 1) == 0


def checkpoint_steps(steps: int, per_octave: int) -> list[int]:
    """0, the rounded 2^(i / per_octave) up to `steps`, and `steps` itself; per_octave = 1 gives 0, 1, 2, 4, 8, …

    The checkpoints of a shorter run, but for its last, are among those of a longer one.
    """
    kept, i = {0, steps}, 0
    while (step := round(2 ** (i / per_octave))) <= steps:
        kept.add(step)
        i += 1
    return sorted(kept)
