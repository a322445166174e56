"""What to do with the learning rate: nothing, or follow the leaps."""

from __future__ import annotations

from effopd.params.effopd import EffOPDParams


def next_scale(scale: float, multiplier: float | None, params: EffOPDParams, base: float) -> float:
    """By what the rate is multiplied after a search that kept `multiplier`, or nothing (None); before it was `scale`.

    A leap of m that is kept says that the last stretch should have been 1 + m times as long, and so should the next. A
    search that keeps none says that it was long enough, or too long. The rate itself, scale · base, keeps in bounds.
    """
    if params.rate == "keep":
        return scale
    rate = base * scale * (params.lower if multiplier is None else 1 + multiplier)
    return min(max(rate, params.lowest_rate), params.highest_rate) / base
