"""ΔW = W − W_base of one parameter, in float64, and the checks that every user of an update needs."""

from collections.abc import Mapping

import torch
from torch import Tensor

from effopd.files import DataError
from effopd.spectral.modules import HEAD_NAME


class NotFiniteError(DataError):
    """Weights with a NaN or an infinity. name: as it is said. role: "base" or "trained", the model that has them."""

    def __init__(self, name: str, role: str) -> None:
        super().__init__(f"{name}: {role} weights are not all finite")
        self.name, self.role = name, role


def check_fit(name: str, base: Tensor, trained: Tensor) -> None:
    """Raise `DataError`, naming the parameter, unless the two tensors are floating and of one shape."""
    for role, weight in (("base", base), ("trained", trained)):
        if not weight.is_floating_point():
            raise DataError(f"{name}: {role} weights are {weight.dtype}, an update needs floating-point weights")
    if base.shape != trained.shape:
        raise DataError(f"{name}: base has shape {tuple(base.shape)}, trained has {tuple(trained.shape)}")


def check_pair(name: str, base: Tensor, trained: Tensor) -> None:
    """As `check_fit`, and raise `NotFiniteError` unless both are finite."""
    check_fit(name, base, trained)
    for role, weight in (("base", base), ("trained", trained)):
        if not bool(torch.isfinite(weight).all()):
            raise NotFiniteError(name, role)


def check_same_names(base: Mapping[str, Tensor], trained: Mapping[str, Tensor]) -> None:
    """Raise `DataError`, naming the first parameter, when one of the two models lacks a parameter of the other."""
    for missing_from, names in (("trained", base.keys() - trained.keys()), ("base", trained.keys() - base.keys())):
        if names:
            name = min(names)
            hint = " (a tied head: leave it out of both or keep it in both)" if name == HEAD_NAME else ""
            more = f", and {len(names) - 1} more" if len(names) > 1 else ""
            raise DataError(f"{name}: missing from the {missing_from} weights{hint}{more}")


def weight_update(name: str, base: Tensor, trained: Tensor) -> Tensor:
    """ΔW in float64, of the same shape. The subtraction is done after the cast: float32 would round the difference.

    Raises `DataError` (see check_pair).
    """
    check_pair(name, base, trained)
    return trained.detach().double() - base.detach().double()
