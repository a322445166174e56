"""Every intervention on one run, in order: what it is, and the weights that it yields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from effopd.files import DataError
from effopd.interventions.extrapolation import Extrapolation, predictions
from effopd.interventions.scaling import alpha_scaling, magnitude_rescaling
from effopd.interventions.selection import embedding_replacement, sliding_window
from effopd.interventions.truncation import rank_truncation_bottom, rank_truncation_top
from effopd.params.interventions import InterventionParams
from effopd.spectral.modules import PROJECTIONS, ModuleKind, parse_parameter

Experiment = Literal["alpha", "rescaling", "extrapolated", "modules", "window", "embedding", "top", "bottom"]
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Intervention:
    """One intervention; a setting that its experiment does not have is None.

    alpha: W_base + αΔW; 0 is the base and 1 the trained model.
    progress, step, beta: the share of training asked for, the checkpoint taken for it, and how far its norms are moved
        towards the final ones: 0 is the checkpoint itself, 1 has the final norms.
    extrapolation: how the final weights are predicted from the checkpoints up to `step`; `observed` is this checkpoint.
    kind, centre, half_width: the modules whose update is injected, all layers (`modules`) or a window of them.
    percent: of the components that are kept.
    """

    experiment: Experiment
    alpha: float | None = None
    progress: float | None = None
    step: int | None = None
    beta: float | None = None
    extrapolation: Extrapolation | None = None
    kind: ModuleKind | None = None
    centre: int | None = None
    half_width: int | None = None
    percent: float | None = None


def interventions(
    base: Weights,
    trained: Weights,
    early: Callable[[int], Weights],
    steps: Sequence[int],
    accuracies: Mapping[int, float],
    params: InterventionParams,
) -> Iterator[tuple[Intervention, dict[str, Tensor]]]:
    """All interventions that `params` asks for, one model at a time, the base and the trained model first.

    early: reads the weights of a checkpoint. steps: the run's checkpoints, ascending, the last one `trained`.
    accuracies: on training prompts, by the step of the weights; used by extrapolation alone.
    Raises ValueError (see the single interventions).
    """
    for alpha in (0.0, 1.0, *params.alpha):
        yield Intervention("alpha", alpha=alpha), alpha_scaling(base, trained, alpha)

    for number, progress in enumerate(params.progress):
        step = nearest_step(steps, progress)
        weights = early(step)
        for beta in (0.0, 1.0, *(params.beta if number == 0 else ())):
            found = Intervention("rescaling", progress=progress, step=step, beta=beta)
            yield found, magnitude_rescaling(base, weights, trained, beta)

    for progress in params.extrapolated_from:
        last = nearest_step(steps, progress)
        observed = {step: early(step) for step in steps if steps[0] < step <= last}
        for method, weights in predictions(base, observed, steps[-1], accuracies):
            yield Intervention("extrapolated", progress=progress, step=last, extrapolation=method), weights

    layers = 1 + max(place.layer for name in base if (place := parse_parameter(name)))
    for kind in PROJECTIONS:
        yield Intervention("modules", kind=kind), sliding_window(base, trained, 0, layers, kind)
    for kind in PROJECTIONS:
        for centre in range(layers):
            window = Intervention("window", kind=kind, centre=centre, half_width=params.half_width)
            yield window, sliding_window(base, trained, centre, params.half_width, kind)

    yield Intervention("embedding"), embedding_replacement(base, trained)

    for percent in params.top_percent:
        yield Intervention("top", percent=percent), rank_truncation_top(base, trained, percent)
    for percent in params.bottom_percent:
        yield Intervention("bottom", percent=percent), rank_truncation_bottom(base, trained, percent)


def nearest_step(steps: Sequence[int], progress: float) -> int:
    """The checkpoint after the base and before the last one that lies nearest to a share of the last step.

    Raises `DataError` when there is none in between.
    """
    between = [step for step in steps if steps[0] < step < steps[-1]]
    if not between:
        raise DataError(f"an early update needs a checkpoint between steps {steps[0]} and {steps[-1]}: none is stored")
    return min(between, key=lambda step: (abs(step - progress * steps[-1]), step))
