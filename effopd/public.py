"""The names that `import effopd` offers to other people's code, each imported when it is first used."""

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
        raise AttributeError(f"module 'effopd' has no attribute {name!r}")
    return getattr(import_module(f"effopd.{_HOMES[name]}"), name)
