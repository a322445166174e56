"""Interventions that inject a part of an update: some layers' modules, or everything but the embeddings (METHOD §5)."""

from collections.abc import Mapping

from torch import Tensor

from effopd.interventions.weights import checked_pairs
from effopd.spectral.modules import HEAD_NAME, ModuleKind, embedding_name, has_tied_head, parse_parameter


def sliding_window(
    base: Mapping[str, Tensor], trained: Mapping[str, Tensor], centre: int, half_width: int, kind: ModuleKind
) -> dict[str, Tensor]:
    """The update of one kind of module in the layers around `centre`, everything else base.

    Layers count from 0 as in parameter names (the paper's l is centre + 1): the window is
    max(0, centre − half_width) … min(L − 1, centre + half_width). A module is injected whole, with its biases and its
    query and key norms. Raises ValueError when centre is no layer of the model, half_width is negative, or the model
    has no module of this kind.
    """
    if half_width < 0:
        raise ValueError(f"half_width must be at least 0, got {half_width}")
    parameters = {name: parameter for name in base if (parameter := parse_parameter(name)) and parameter.kind == kind}
    if not parameters:
        raise ValueError(f"no {kind} parameters among {len(base)}: names like layers.0.mlp.up_proj.weight are expected")
    last = max(parameter.layer for parameter in parameters.values())
    if not 0 <= centre <= last:
        raise ValueError(f"centre must be a layer from 0 to {last}, got {centre}")
    window = range(max(0, centre - half_width), min(last, centre + half_width) + 1)
    injected = {name for name, parameter in parameters.items() if parameter.layer in window}
    return {
        name: (after if name in injected else before).clone() for name, before, after in checked_pairs(base, trained)
    }


def embedding_replacement(base: Mapping[str, Tensor], trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The trained model with the base's token embedding.

    In a tied model the embedding is the output head too, so the head goes back with it; a separate head stays trained.
    Raises ValueError unless there is exactly one `…embed_tokens.weight`.
    """
    replaced = {embedding_name(base)}
    if has_tied_head(base) and has_tied_head(trained):
        replaced.add(HEAD_NAME)
    return {
        name: (before if name in replaced else after).clone() for name, before, after in checked_pairs(base, trained)
    }
