"""What config.json must say besides for transformers 4, which reads keys that version 5 has renamed.

Version 5 writes `rope_parameters`, which version 4 does not know: it would compute with a rotary base of 10,000,
whatever the model was trained with, and say nothing. Each finds its own keys here, and takes the same model from them.
"""

from __future__ import annotations

from typing import Any

_OUTER = ("rope_theta", "partial_rotary_factor")
"""What version 4 reads beside, not inside, its `rope_scaling`."""
_SCALINGS = ("linear", "dynamic", "yarn", "longrope", "llama3")
"""The kinds of `rope_scaling` that version 4 knows, beside the default of none."""


def with_old_keys(config: dict[str, Any]) -> dict[str, Any]:
    """A config.json as version 5 wrote it, with the keys of version 4 added, in nested configurations too.

    Where layers differ in their angles, the full-attention layers' are the model's own, and the base of the sliding
    ones stands in `rope_local_base_freq`. A kind of scaling that version 4 does not know is left as it is: what has it
    is of an architecture that it does not know either.
    """
    config = {key: with_old_keys(value) if isinstance(value, dict) else value for key, value in config.items()}
    old: dict[str, Any] = {}
    if isinstance(settings := config.get("rope_parameters"), dict):
        old |= _old_rotary(settings)
    if config.get("model_type") == "qwen3_moe" and "num_local_experts" in config:
        old["num_experts"] = config["num_local_experts"]
    return {**old, **config}


def _old_rotary(settings: dict[str, Any]) -> dict[str, Any]:
    own = settings.get("full_attention", settings)
    kind = own.get("rope_type", "default")
    if kind not in ("default", *_SCALINGS):
        return {}
    old = {key: own[key] for key in _OUTER if key in own}
    if kind in _SCALINGS:
        old["rope_scaling"] = {key: value for key, value in own.items() if key not in _OUTER}
    if "rope_theta" in settings.get("sliding_attention", {}):
        old["rope_local_base_freq"] = settings["sliding_attention"]["rope_theta"]
    return old
