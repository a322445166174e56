"""The paths of several runs through weight space, in the plane in which they spread most (a PCA of all checkpoints).

With N checkpoints of P parameters, the principal components come from the N × N inner products of the updates, so that
no more than a slice of each checkpoint is in memory at once, whatever the model's size.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from effopd.files import DataError
from effopd.spectral.updates import weight_update

_NUMBERS_AT_ONCE = 32_000_000  # of all checkpoints together, in float64


@dataclass(frozen=True)
class Plane:
    """coordinates_N2: each checkpoint's place on the first two principal components, in the units of the weights.

    explained: the two components' shares of the variance. Signs: the entry of a component with the largest magnitude is
    positive. Distances in the plane are at most the distances in weight space.
    """

    coordinates_N2: Tensor
    explained: tuple[float, float]


def update_gram(load: Callable[[int, str, slice], Tensor], shapes: Mapping[str, Sequence[int]], count: int) -> Tensor:
    """⟨ΔW_i, ΔW_j⟩ over all parameters for `count` checkpoints, float64 (N, N); its diagonal is ‖ΔW_i‖².

    load: `load(i, name, rows)` returns some rows of one parameter of checkpoint i, `load(-1, name, rows)` the base's.
    shapes: the parameters of a checkpoint by name.
    Raises `DataError`, naming the parameter, for weights that do not fit or are not finite.
    """
    gram_NN = torch.zeros(count, count, dtype=torch.float64)
    for name, shape in shapes.items():
        width = max(1, torch.Size(shape[1:]).numel())
        height = max(1, _NUMBERS_AT_ONCE // (width * max(1, count)))
        for start in range(0, shape[0], height):
            rows = slice(start, min(start + height, shape[0]))
            base = load(-1, name, rows)
            updates_NP = torch.stack([weight_update(name, base, load(i, name, rows)).flatten() for i in range(count)])
            gram_NN += updates_NP @ updates_NP.T
    return gram_NN


def plane(gram_NN: Tensor) -> Plane:
    """The first two principal components of points that have these inner products.

    Raises `DataError` for fewer than three points, which need no projection, and when no two points differ.
    """
    count = len(gram_NN)
    if count < 3:
        raise DataError(f"a plane needs three checkpoints or more, got {count}")
    centring_NN = torch.eye(count, dtype=torch.float64) - 1 / count
    values_N, vectors_NN = torch.linalg.eigh(centring_NN @ gram_NN @ centring_NN)
    values_N = values_N.clamp_min(0)
    if float(values_N.sum()) == 0:
        raise DataError("all checkpoints are the same: they span no plane")
    leading_N2, variances_2 = vectors_NN[:, [-1, -2]], values_N[[-1, -2]]
    signs_2 = torch.sign(leading_N2.gather(0, leading_N2.abs().argmax(dim=0, keepdim=True))[0])
    first, second = (variances_2 / values_N.sum()).tolist()
    return Plane(leading_N2 * signs_2 * variances_2.sqrt(), (first, second))
