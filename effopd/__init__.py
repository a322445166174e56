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

A name in `effopd.__all__` keeps its signature within a minor version; modules below are free to change.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from effopd.public import *  # noqa: F403


def __getattr__(name: str) -> Any:
    # In a module of its own, since every stage depends on this one.
    return getattr(import_module("effopd.public"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *import_module("effopd.public").__all__})
