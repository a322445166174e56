"""The precision of forward passes, with weights that stay float32."""

from __future__ import annotations

import torch


def at_precision(precision: str, device: torch.device) -> torch.autocast:
    """A context, or a decorator, in which matrix products take bfloat16 copies of float32 weights and activations.

    precision: "float32", which changes nothing, or "bfloat16". Norms, softmax and losses stay float32. The copies are
    kept until the outermost context ends, so that one around a loop makes them once.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
