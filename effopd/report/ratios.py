"""Speed-ups in words, the same in claims, captions and headlines: never to arrive is not the same as not measured."""

from __future__ import annotations

import math

from effopd.report.convergence import ReplicateSpeedup, Speedup, median_bounds, outcome

NEVER, UNMEASURED = "never arrives", "not measured"


def median_in_words(speedup: Speedup, name: str, form: str = ".2f") -> str:
    """The median, or why there is none: `3.14`, `never arrives`, `not measured`."""
    found: float | None = getattr(speedup, name)
    if found is not None:
        return f"{found:{form}}"
    return NEVER if median_bounds(speedup.replicates, name)[1] == -math.inf else UNMEASURED


def range_in_words(speedup: Speedup, name: str, form: str = ".2f") -> str:
    """All replicates: `3.0–3.3; 1 of 3 never arrived; 1 of 3 not measured`; nothing to add to one measured ratio."""
    found = [outcome(row, name) for row in speedup.replicates]
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


def in_words(speedup: Speedup, name: str, form: str = ".2f") -> str:
    """The median, with the replicates in brackets where there are several."""
    each = range_in_words(speedup, name, form) if len(speedup.replicates) > 1 else ""
    return median_in_words(speedup, name, form) + (f" ({each})" if each else "")


def each_in_words(row: ReplicateSpeedup, name: str) -> str:
    """The ratio of one replicate, or why there is none."""
    ratio: float | None = getattr(row, name)
    if ratio is not None:
        return f"{ratio:.2f}"
    if row.method is None:
        return "never arrived within EffOPD's steps"
    return "at the target before training" if row.method.steps == 0 else "not timed"


def sentence(speedup: Speedup, name: str, label: str) -> str:
    """The median and each replicate's ratio, behind a label."""
    if not speedup.replicates:
        return f"{label}: there is no replicate of both."
    median = median_in_words(speedup, name)
    lead = {NEVER: "the median one", UNMEASURED: "the median was"}.get(median, "median")
    each = ", ".join(each_in_words(row, name) for row in speedup.replicates)
    return f"{label}: {lead} {median} (replicates: {each})."
