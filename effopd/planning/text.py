"""A plan as a page of text, and sizes as people write them."""

from __future__ import annotations

import re

from effopd.planning.plan import Machine, Plan
from effopd.planning.work import Throughput

UNITS = {"": 1, "B": 1} | {f"{p}iB": 1024**i for i, p in enumerate("KMGT", 1)}
UNITS |= {f"{p}B": 1000**i for i, p in enumerate("KMGT", 1)}


def parse_size(text: str) -> float:
    """Bytes of ``80GiB``, ``1.5 TB`` or ``1024``. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?i?B?)", text.strip())
    if found is None or found[2] not in UNITS:
        raise ValueError(f"{text!r} is not a size such as 80GiB or 2TB")
    return float(found[1]) * UNITS[found[2]]


def plan_lines(plan: Plan, ranks: int, machine: Machine, speed: Throughput, assumed: str) -> list[str]:
    scoring = plan.teaching.scoring
    teacher = f"{scoring.parameters:,} parameters" if scoring else "served elsewhere"
    gib = max(needed.device for needed in plan.memory.values()) >= 2**30
    unit, one = ("GiB", 2**30) if gib else ("MiB", 2**20)

    def size(count: float) -> str:
        return f"{count / one:>12,.2f}"

    lines = [f"student  {plan.student.parameters:,} parameters", f"teacher  {teacher}", ""]
    device = "each GPU" if machine.gpus else "each rank, in the machine's memory"
    lines.append(f"{f'{unit} on {device}':<40}" + "".join(f"{stage:>12}" for stage in plan.memory))
    names = list(dict.fromkeys(part.name for needed in plan.memory.values() for part in needed.parts))
    for name in names:
        found = [[part for part in needed.parts if part.name == name] for needed in plan.memory.values()]
        part = next(parts[0] for parts in found if parts)
        place = ", offloaded" if part.offloaded else ""
        when = "" if part.when == "always" else f" ({part.when}{place})"
        label = name + (when or (f" ({place[2:]})" if place else ""))
        lines.append(f"  {label:<38}" + "".join(size(sum(p.bytes for p in parts)) for parts in found))
    peak = "peak: always + the larger of the others"
    lines.append(f"  {peak:<38}" + "".join(size(needed.device) for needed in plan.memory.values()))
    if any(needed.host for needed in plan.memory.values()):
        label = f"offloaded by all {ranks} ranks"
        lines.append(f"  {label:<38}" + "".join(size(ranks * needed.host) for needed in plan.memory.values()))

    lines += ["", f"{unit} of disk"]
    lines += [f"  {name:<38}{size(count)}" for name, count in plan.disk.items()]
    lines.append(f"  {'all':<38}{size(sum(plan.disk.values()))}")

    lines += ["", f"{'run':<40}{'M tokens':>12}{'sampling h':>12}{'training h':>12}"]
    for run, work in plan.work.items():
        hours = f"{work.sampling_seconds / 3600:>12.2f}{work.training_seconds / 3600:>12.2f}"
        lines.append(f"  {run:<38}{work.sampled_tokens / 1e6:>12.2f}{hours}")
    total = sum(work.seconds for work in plan.work.values()) / 3600
    lines += [f"  {'all, one after the other':<38}{'':>12}{total:>24.1f}", ""]
    lines.append(
        f"An estimate: {speed.flops / 1e12:g} TFLOP/s and {speed.bytes / 1e9:g} GB/s achieved by each rank, "
        f"{assumed}, every trigger with all of its candidates."
    )
    return lines
