"""What to try: live weights on the line through where they are, along the way they came or a random one.

Elementwise by construction: each tensor moves by itself, so that shards of it need no gather.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from effopd.seeding import derive_seed

Weights = Mapping[str, Tensor]


class Line:
    """W + m · Δ for any m, always from the same snapshot W of `weights`, which are changed in place.

    products: what LoRA's factors add to some of `weights`, the same throughout. The direction is that of the sums, and
    the leap is added to `weights`, so that factors and their moments stay as they are.
    anchor: where Δ begins. scope: "all" parameters move, or those of "blocks" alone. random: a seed, for a direction
    that is none: each tensor's Δ is replaced by a random one of the same length.
    """

    def __init__(
        self,
        weights: Weights,
        products: Weights | None,
        anchor: Weights,
        scope: Literal["all", "blocks"] = "all",
        random: int | None = None,
    ) -> None:
        self._weights, self._start = weights, copies(weights)
        self.trained = summed(self._start, products)
        self._anchor, self._scope, self._random = anchor, scope, random

    @torch.no_grad()
    def go(self, multiplier: float) -> None:
        """Put the weights at W + m · Δ; at m = −1 they are back at the anchor."""
        for name, tensor in self._weights.items():
            tensor.copy_(self._start[name])
            if self._scope == "all" or is_block(name):
                tensor.add_(self._direction(name), alpha=multiplier)

    @torch.no_grad()
    def stay(self) -> None:
        """Put the weights back at W, bit for bit."""
        copy(self._start, into=self._weights)

    def _direction(self, name: str) -> Tensor:
        update = self.trained[name] - self._anchor[name]
        if self._random is None:
            return update
        draws = torch.Generator(update.device).manual_seed(derive_seed(self._random, name))
        other = torch.randn(update.shape, generator=draws, device=update.device, dtype=update.dtype)
        return other * (update.norm() / other.norm())


def is_block(name: str) -> bool:
    """Whether a parameter belongs to an attention or MLP module, the scope of the paper's released code."""
    return re.search(r"\.(self_attn|mlp)\.", name) is not None


def copies(weights: Weights) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}


def summed(weights: Weights, products: Weights | None) -> Weights:
    """The weights that the model computes with; `weights` themselves where nothing is added."""
    return {name: tensor + products[name] for name, tensor in weights.items()} if products else weights


def copy(source: Weights, into: Weights) -> None:
    for name, tensor in into.items():
        tensor.copy_(source[name])
