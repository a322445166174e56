"""The model in somebody else's trainer, as the search sees it: float32 weights to move, and a way to run it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, TrainingArguments

from effopd.train.ranks import Ranks
from effopd.train.zero import Masters

MOVES_BY_ITSELF = ("lomo", "adalomo", "schedule_free", "layerwise")
"""Parts of the names of optimisers that have no step of their own, or keep a second set of weights."""


class CallbackError(ValueError):
    """A trainer that EffOPD cannot work under. The message says what to do about it."""


class Student(Ranks):
    """The model of a trainer whose weights are whole on each rank, or shared out by DeepSpeed's ZeRO.

    model, module: the Hugging Face model, which computes as in training, autocast included.
    parameters: float32 weights by name as live tensors, this rank's share of them under ZeRO; `weights_changed`
    completes writing to them. optimizer: torch's own, inside whatever wraps it. is_sharded: whether ranks differ.
    Raises `CallbackError` for whatever a leap cannot move, or not exactly.
    """

    def __init__(self, model: PreTrainedModel, optimizer: torch.optim.Optimizer, args: TrainingArguments) -> None:
        super().__init__(args.device)
        self.model = self.module = model
        wrappers = _unwrapped(optimizer)
        _check(model, args)
        stage, zero = next((found for wrapper in wrappers if (found := _zero(wrapper))), (0, wrappers[-1]))
        self._masters = Masters(model, zero, stage)
        self.optimizer = self._masters.optimizer
        self.is_sharded = stage > 0
        self.parameters: Mapping[str, Tensor] = self._masters.by_name()
        for name, weight in self.parameters.items():
            if weight.dtype != torch.float32:
                raise CallbackError(
                    f"{name} is {str(weight.dtype).removeprefix('torch.')}, which rounds a leap away: load the model "
                    "with dtype=torch.float32, and let bf16=True compute in bfloat16"
                )

    def each_weight(self) -> Iterator[tuple[str, Tensor]]:
        """Whole float32 weights by name, one by one; all ranks call it."""
        return self._masters.each_whole()

    def weights_changed(self) -> None:
        self._masters.written()

    def reset_optimizer(self) -> None:
        self.optimizer.state.clear()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Without dropout and gradients; each module is as it was behind it."""
        training = [module for module in self.module.modules() if module.training]
        self.module.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            for module in training:
                module.training = True


def _unwrapped(optimizer: Any) -> list[Any]:
    """accelerate's, DeepSpeed's and torch's optimiser, each around the next, as far as they are there."""
    layers = [optimizer]
    while hasattr(layers[-1], "optimizer"):
        layers.append(layers[-1].optimizer)
    return layers


def _zero(wrapper: Any) -> tuple[int, Any] | None:
    """The stage of ZeRO whose optimiser this is, and itself."""
    if hasattr(wrapper, "fp32_partitioned_groups_flat"):
        return 3, wrapper
    if hasattr(wrapper, "single_partition_of_fp32_groups") or hasattr(wrapper, "fp32_groups_flat_partition"):
        return 2, wrapper
    return None


def _check(model: PreTrainedModel, args: TrainingArguments) -> None:
    if type(model).__name__ == "FullyShardedDataParallel" or any(_is_distributed(p) for p in model.parameters()):
        raise CallbackError(
            "weights that FSDP or tensor parallelism has shared out cannot leap: use DeepSpeed's ZeRO, 1 to 3, or DDP"
        )
    if getattr(model, "is_quantized", False) or getattr(model, "hf_quantizer", None) is not None:
        raise CallbackError("quantised weights cannot leap: load the model with dtype=torch.float32, not quantised")
    if hasattr(model, "peft_config"):
        raise CallbackError(
            "the trainer saves an adapter without the weights beside it, which a leap would move: train whole weights, "
            "or merge the adapter first (model.merge_and_unload())"
        )
    if name := next((part for part in MOVES_BY_ITSELF if part in str(args.optim)), ""):
        raise CallbackError(f"optim is {args.optim}, and {name} does not move weights in steps: use adamw_torch")
    offload = getattr(args.deepspeed_plugin, "deepspeed_config", {}).get("zero_optimization", {})
    for key in ("offload_optimizer", "offload_param"):
        if (offload.get(key) or {}).get("device") == "nvme":
            raise CallbackError(f"zero_optimization.{key}.device is nvme, where weights cannot leap: use cpu or none")


def _is_distributed(parameter: Tensor) -> bool:
    return hasattr(parameter, "device_mesh")  # a DTensor
