"""Losses over a large vocabulary without its logits: a few tokens are projected, scored and forgotten at a time.

The logits of 8 sequences of 1,024 tokens over 151,936 entries take 5 GB in float32, and a loss holds several tensors of
that size. Only tokens that count are projected (mask first), and a chunk's logits live no longer than its own forward
or backward pass: the backward pass computes them again.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def over_chunks(function: Callable[..., tuple[Tensor, ...]], size: int, *inputs: Tensor) -> tuple[Tensor, ...]:
    """`function(*inputs)` on `size` rows at a time under checkpointing.

    inputs: tensors (N, …) with equal N > 0. function: from rows of them to tensors (n,) or (n, …), row by row.
    Returns its results over all rows; values and gradients equal those of one call up to rounding.
    """
    pieces = zip(*(tensor.split(size) for tensor in inputs), strict=True)
    results = [checkpoint(function, *piece, use_reentrant=False) for piece in pieces]
    return tuple(torch.cat(column) for column in zip(*results, strict=True))
