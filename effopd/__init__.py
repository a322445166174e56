"""Reproducible on-policy distillation: training, extrapolation (EffOPD) and the spectral analysis of weight updates.

The library knows neither DVC nor Prefect and can be used by itself. Its rooms, bottom up:

    errors, files, params         atomic writes, hashing; the schema of params.yaml
    tasks, models                 prompts and verifiers; Hugging Face models in float32
    rollout, losses               sampling with log-probabilities; tensors in, scalar out
    trajectory, train             checkpoints and resume; the training loops
    extrapolation                 EffOPD, called by a training loop at its triggers
    evaluation, spectral, interventions, checkpoints, report

What is meant for other people's code is here under one name, and imported when it is first used:

    import effopd

    found = effopd.spectrum("base/", "OWNER/NAME@step_500")
    effopd.extrapolate("step_32/", "step_64/", 4.0, Path("leap"))
    loss_BT = effopd.reverse_kl(effopd.Seen(student_BTV, teacher_BTV, tokens_BT, …))
    decision = effopd.search(path, [2, 4, 8, 16, 32], score, accepts=operator.ge)

A name in `__all__` keeps its signature within a minor version; modules below are free to change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from effopd.checkpoints.align import align
    from effopd.checkpoints.compare import compare
    from effopd.checkpoints.make import extrapolate, rescale
    from effopd.checkpoints.spectrum import spectrum
    from effopd.extrapolation.line import Line
    from effopd.extrapolation.search import Decision, Score, search
    from effopd.losses.forward_kl import forward_kl
    from effopd.losses.jsd import jsd
    from effopd.losses.reverse_kl import reverse_kl
    from effopd.losses.sampled import exopd, sampled
    from effopd.losses.seen import Seen
    from effopd.spectral.analysis import analyse_trajectory, analyse_update
    from effopd.spectral.decomposition import decompose

_HOMES = {
    "align": "checkpoints.align",
    "compare": "checkpoints.compare",
    "extrapolate": "checkpoints.make",
    "rescale": "checkpoints.make",
    "spectrum": "checkpoints.spectrum",
    "Line": "extrapolation.line",
    "Decision": "extrapolation.search",
    "Score": "extrapolation.search",
    "search": "extrapolation.search",
    "forward_kl": "losses.forward_kl",
    "jsd": "losses.jsd",
    "reverse_kl": "losses.reverse_kl",
    "exopd": "losses.sampled",
    "sampled": "losses.sampled",
    "Seen": "losses.seen",
    "analyse_trajectory": "spectral.analysis",
    "analyse_update": "spectral.analysis",
    "decompose": "spectral.decomposition",
}
__all__ = [
    "Decision",
    "Line",
    "Score",
    "Seen",
    "align",
    "analyse_trajectory",
    "analyse_update",
    "compare",
    "decompose",
    "exopd",
    "extrapolate",
    "forward_kl",
    "jsd",
    "rescale",
    "reverse_kl",
    "sampled",
    "search",
    "spectrum",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
