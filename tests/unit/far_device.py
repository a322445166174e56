"""A second device on machines that have none: its tensors lie in memory, and mixing them with others fails as on a GPU.

Everything is computed by the CPU's kernels, so that results equal the CPU's to the last bit, while `.device`, `.to` and
`torch.zeros(…, device=…)` behave as for a GPU. What it cannot show is a GPU's own kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "far"
INDEXING = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
"""Which take indices from the CPU on a GPU too."""


class FarTensor(torch.Tensor):
    """A tensor of the device; `near` holds its values."""

    near: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls: type[FarTensor], near: Tensor) -> FarTensor:
        made: FarTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            near.shape,
            strides=near.stride(),
            storage_offset=near.storage_offset(),
            dtype=near.dtype,
            device=torch.device(NAME, 0),
        )
        made.near = near
        return made

    def tolist(self) -> Any:
        return self.near.tolist()

    def __repr__(self, **_: Any) -> str:
        return f"Far{self.near!r}"

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(function, args, kwargs or {})


class _Computing(TorchDispatchMode):
    """Sees what no far tensor takes part in, such as `torch.zeros(…, device="far")`."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(function, args, kwargs or {})


class _Module(_DummyBackendModule):
    """What torch asks of a device beside tensors."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


@contextmanager
def far_device() -> Iterator[torch.device]:
    """The device, for as long as the context lasts."""
    _register()
    swapped = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)  # a parameter cannot be overwritten by another class
    try:
        with _Computing(), torch.autograd.set_multithreading_enabled(False):  # the mode is this thread's
            yield torch.device(NAME, 0)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swapped)


@cache
def _register() -> torch.library.Library:
    """torch.tensor(…, device="far") looks past the mode, for kernels of the device's own."""
    _setup_privateuseone_for_python_backend(NAME, _Module())
    kernels = torch.library.Library("aten", "IMPL")  # lasts as long as this object
    kernels.impl("empty_strided", _empty_strided, "PrivateUse1")
    kernels.impl("_copy_from", _copy_from, "PrivateUse1")
    return kernels


def _empty_strided(size: Any, stride: Any, *, dtype: torch.dtype | None = None, **_: Any) -> FarTensor:
    return FarTensor(torch.empty_strided(size, stride, dtype=dtype, device="cpu"))


def _copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    source, into = (tensor.near if isinstance(tensor, FarTensor) else tensor for tensor in (source, target))
    into.copy_(source)
    return target


def _compute(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = function._schema.name
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    far = [tensor for tensor in tensors if isinstance(tensor, FarTensor)]
    if far and name not in ("aten::copy_", "aten::_to_copy", *INDEXING):
        strange = [tensor for tensor in tensors if not isinstance(tensor, FarTensor) and tensor.ndim > 0]
        if strange:
            raise RuntimeError(f"{name}: expected all tensors on one device, found a CPU tensor {strange[0].shape}")
    target = kwargs.get("device")
    stays = bool(far) if target is None else torch.device(target).type == NAME
    near_args, near_kwargs = tree_map_only(FarTensor, lambda tensor: tensor.near, (args, kwargs))
    if target is not None:
        near_kwargs["device"] = torch.device("cpu")
    with _disable_current_modes():
        result = function(*near_args, **near_kwargs)
    if name.endswith("_"):  # in place: the tensor itself
        return None if result is None else args[0]
    return tree_map_only(Tensor, FarTensor, result) if stays else result
