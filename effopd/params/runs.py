"""The training runs that params.yaml asks for: folders under models/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

REPLICATED = ("opd", "effopd", "effopd-free")


@dataclass(frozen=True)
class RunName:
    """replicate: None for a run that has none; rate: the learning rate of a run of the sweep."""

    name: str
    method: str
    replicate: int | None = None
    rate: float | None = None


def run_name(method: str, replicate: int | None = None, rate: float | None = None) -> str:
    """Of a run's folder under models/."""
    if rate is not None:
        return f"{method}-lr-{rate}"
    return method if replicate is None else f"{method}-{replicate}"


def planned_runs(replicates: Sequence[int], sweep: Sequence[float]) -> tuple[RunName, ...]:
    """`rl`, `opd-0` … `effopd-free-2`, `opd-lr-0.0003` …, from `run.replicates` and `opd.sweep`."""
    return (
        RunName("rl", "rl"),
        *(RunName(run_name(method, r), method, replicate=r) for method in REPLICATED for r in replicates),
        *(RunName(run_name("opd", rate=rate), "opd", rate=rate) for rate in sweep),
    )
