"""What is measured, by name: the methods, what a run costs, and the numbers of its update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from effopd.findings.estimates import alignment_at, share_of_update
from effopd.findings.results import MatrixUpdate, Run

LABELS = {"rl": "RL", "opd": "OPD", "effopd": "EffOPD", "effopd-free": "EffOPD-free"}


def label_of(method: str) -> str:
    return LABELS.get(method, method)


@dataclass(frozen=True)
class Cost:
    """What training takes. field: of a checkpoint, since the run began. axis: what an axis of it is called."""

    field: str
    label: str
    axis: str


COSTS = {
    "steps": Cost("step", "steps", "batches of completions"),
    "sampled_tokens": Cost("sampled_tokens", "sampled tokens", "sampled tokens, validation included"),
    "flops": Cost("flops", "arithmetic", "floating-point operations, searches included"),
    "cpu": Cost("cpu_seconds", "processor time", "processor seconds, searches included"),
    "cpu_teacher_4": Cost("cpu_with_teacher_4", "processor time, teacher × 4", "had the teacher cost 4 times as much"),
    "cpu_teacher_20": Cost("cpu_with_teacher_20", "processor time, teacher × 20", "had it cost 20 times as much"),
    "seconds": Cost("seconds", "wall time", "seconds, searches included"),
}
"""Verdicts go by what other guests of a machine cannot change; wall time is shown beside."""


@dataclass(frozen=True)
class Ratio:
    """How many times more of a cost OPD takes to the target than EffOPD.

    slow: OPD at its own rate (baseline); at the rate that arrives in the fewest steps (best); or at all rates that were
    tried, one after the other, each to the target or to its end (sweep).
    """

    cost: str
    slow: Literal["baseline", "best", "sweep"]
    label: str


RATIOS = {
    "steps": Ratio("steps", "baseline", "steps"),
    "tokens": Ratio("sampled_tokens", "baseline", "sampled tokens"),
    "flops": Ratio("flops", "baseline", "arithmetic"),
    "cpu": Ratio("cpu", "baseline", "processor time"),
    "cpu_teacher_4": Ratio("cpu_teacher_4", "baseline", "processor time, a teacher that costs 4 times as much"),
    "cpu_teacher_20": Ratio("cpu_teacher_20", "baseline", "processor time, a teacher that costs 20 times as much"),
    "wall": Ratio("seconds", "baseline", "wall time"),
    "best_lr_steps": Ratio("steps", "best", "steps, best rate"),
    "best_lr_tokens": Ratio("sampled_tokens", "best", "sampled tokens, best rate"),
    "best_lr_cpu": Ratio("cpu", "best", "processor time, best rate"),
    "best_lr_wall": Ratio("seconds", "best", "wall time, best rate"),
    "with_sweep_steps": Ratio("steps", "sweep", "steps, all rates"),
    "with_sweep_cpu": Ratio("cpu", "sweep", "processor time, all rates"),
    "checkpoints": Ratio("checkpoint", "baseline", "steps to a checkpoint"),
}
HEADED = ("steps", "tokens", "cpu", "best_lr_steps", "best_lr_cpu", "with_sweep_cpu")
"""The ratios that figures and metrics show."""


@dataclass(frozen=True)
class Measure:
    """A number of a run; None where it was not measured. form: how it is written."""

    label: str
    of: Callable[[Run], float | None]
    form: str


def of_update(field: str) -> Callable[[Run], float | None]:
    """A field of `Spectral`; None for a run whose update was not decomposed."""
    return lambda run: getattr(run.spectral, field, None)


TABLE_1 = {
    "spectral_norm": Measure("spectral norm", of_update("spectral_norm"), ".4f"),
    "spectral_frobenius_ratio": Measure("spectral / Frobenius ratio", of_update("spectral_frobenius_ratio"), ".1%"),
    "effective_rank": Measure("effective rank", of_update("effective_rank"), ".1f"),
    "top1_norm_ratio": Measure("top-1 % norm ratio", of_update("top1_norm_ratio"), ".1%"),
}
"""The paper's, by field of `Spectral` and of `MatrixUpdate`."""
FINAL_ACCURACY = Measure("final accuracy", lambda run: run.final.accuracy, ".3f")
UPDATE_NORM = Measure("update norm", of_update("total_update_norm"), ".3g")
EMBEDDING_COSINE = Measure("cosine of embeddings to the base", of_update("embedding_cosine"), ".5f")
PATH_VARIANCE = Measure("path of u₁ in two components (EVR)", of_update("explained_variance"), ".1%")


def aligned_at(progress: float) -> Measure:
    return Measure(f"alignment at {progress * 100:g} % of training", lambda run: alignment_at(run, progress), ".3f")


Part = tuple[str, Callable[[MatrixUpdate, range], bool]]
"""Weight matrices: what they are called, and whether one is counted, given the middle half of the layers."""
ATTENTION: Part = ("attention", lambda matrix, _: matrix.kind == "attention")
OUTER_HALF: Part = ("the outer half of the layers", lambda matrix, middle: matrix.layer not in middle)


def share_held(part: Part, progress: float) -> Measure:
    """Of ‖ΔW‖², at a share of training."""
    place, is_counted = part
    when = "at the end" if progress == 1 else f"at {progress * 100:g} % of training"
    label = f"share of the update's squared length in {place} {when}"
    return Measure(label, lambda run: share_of_update(run, progress, is_counted), ".1%")
