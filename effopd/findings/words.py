"""Numbers in words, the same in claims, captions and headlines: what is not defined or not measured says so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from effopd.findings.convergence import ReplicateSpeedup, Speedup
from effopd.findings.estimates import Interval

NEVER, UNMEASURED = "never arrives", "not measured"


def written(value: float, form: str) -> str:
    """A number in its form, in which a share ends in %."""
    return format(value, form).replace("%", " %")


def spread(values: Sequence[float], form: str) -> str:
    """The median, and behind it the range over replicates: `0.80 (0.72–0.90)`."""
    if not values:
        return UNMEASURED
    shown = [written(value, form) for value in (median(values), min(values), max(values))]
    return shown[0] + (f" ({shown[1].removesuffix(' %')}–{shown[2]})" if len(values) > 1 else "")


def interval(found: Interval, form: str = ".3f") -> str:
    """A number with its interval: `+0.10 (interval +0.02 to +0.18)`, or why there is none."""
    if math.isnan(found.value):
        return "an undefined share"
    if math.isnan(found.low):
        return f"{written(found.value, form)} (no interval: too many resamples have no gain to share)"
    value, low, high = (written(number, form) for number in (found.value, found.low, found.high))
    return f"{value} (interval {low} to {high})"


def median_ratio(speedup: Speedup, name: str, form: str = ".2f") -> str:
    """The median of a speed-up, or why there is none: `3.14`, `never arrives`, `not measured`."""
    found = speedup.median(name)
    if found is not None:
        return f"{found:{form}}"
    return NEVER if speedup.bounds(name)[1] == -math.inf else UNMEASURED


def range_of_ratios(speedup: Speedup, name: str, form: str = ".2f") -> str:
    """All replicates: `3.0–3.3; 1 of 3 never arrived; 1 of 3 not measured`; nothing to add to one measured ratio."""
    found = speedup.outcomes(name)
    ratios = [ratio for ratio in found if ratio is not None and math.isfinite(ratio)]
    said = []
    if len(ratios) > 1:
        said.append(f"{min(ratios):{form}}–{max(ratios):{form}}")
    elif ratios and len(found) > 1:
        said.append(f"{ratios[0]:{form}}")
    for count, words in ((found.count(-math.inf), "never arrived"), (found.count(None), UNMEASURED)):
        if count:
            said.append(f"{count} of {len(found)} {words}")
    return "; ".join(said)


def ratio(speedup: Speedup, name: str) -> str:
    """The median of a speed-up, with the replicates in brackets where there are several."""
    each = range_of_ratios(speedup, name) if len(speedup.replicates) > 1 else ""
    return median_ratio(speedup, name) + (f" ({each})" if each else "")


def replicates_ratio(row: ReplicateSpeedup, name: str) -> str:
    """The speed-up of one replicate, or why there is none."""
    found = row.ratios[name]
    if found is not None:
        return f"{found:.2f}"
    if row.method is None:
        return "never arrived within EffOPD's steps"
    return "at the target before training" if row.method["steps"] == 0 else "not timed"
