"""Randomness by name: every random number is a function of the seed and of what it is for.

Nothing carries a generator's state from step to step, so a resumed run, a longer run and an uninterrupted run draw the
same numbers, and two uses never share a stream.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from effopd.files import sha256


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose, such as ``derive_seed(42, "rollout", step)``."""
    return int(sha256(str(seed), *(str(part) for part in purpose))[:16], 16) >> 1


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(derive_seed(seed, *purpose)))


def uniforms(seed: int, rows: Sequence[int], width: int) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), float64 (rows, width); each depends on `seed` and its own row number alone."""
    numbers = [np.random.Generator(np.random.Philox(key=[seed, row])).random(width) for row in rows]
    return np.stack(numbers)


def shuffled_batch(seed: int, purpose: str, step: int, size: int, population: int) -> list[int]:
    """Indices of the batch of `step` (counted from 1) when the population is shuffled anew for every pass over it."""
    indices: list[int] = []
    position = (step - 1) * size
    while len(indices) < size:
        epoch, offset = divmod(position + len(indices), population)
        order = generator(seed, purpose, epoch).permutation(population)
        indices.extend(order[offset : offset + size - len(indices)].tolist())
    return indices
