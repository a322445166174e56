"""Where DeepSpeed's ZeRO keeps float32 weights: this rank's share of them, whoever has started the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel


class Masters:
    """The float32 weights that the optimiser moves on this rank.

    wrapper: DeepSpeed's optimiser; in stage 0 it may be torch's own. stage: of ZeRO, 0 to 3.
    optimizer: torch's, inside. flat: the tensors that it updates, several weights in each but in stage 0.
    """

    def __init__(self, module: PreTrainedModel, wrapper: Any, stage: int) -> None:
        self._module, self._wrapper, self._stage = module, wrapper, stage
        self.optimizer: torch.optim.Optimizer = wrapper if stage == 0 else wrapper.optimizer
        self.flat: list[Tensor] = self._flat()

    def by_name(self) -> Mapping[str, Tensor]:
        """This rank's share of each parameter as a live view; parameters without a share are left out.

        Writing to them is complete with `written`.
        """
        named = dict(self._module.named_parameters())
        match self._stage:
            case 0:
                return named
            case 1 | 2:
                fragments = {name: getattr(parameter, "_hp_mapping", None) for name, parameter in named.items()}
                return {name: mapping.hp_fragment for name, mapping in fragments.items() if mapping is not None}
            case _:
                return {
                    name: self._wrapper._get_fp32_opt_state_partition(parameter, release_swap_buffers=True)[0]
                    for name, parameter in named.items()
                }

    @torch.no_grad()
    def each_whole(self) -> Iterator[tuple[str, Tensor]]:
        """Every parameter's whole float32 weights, one by one; all ranks call it."""
        if self._stage == 0:
            yield from ((name, parameter.detach()) for name, parameter in self._module.named_parameters())
            return
        from deepspeed.utils import safe_get_full_fp32_param

        for name, parameter in self._module.named_parameters():
            yield name, safe_get_full_fp32_param(parameter)

    @torch.no_grad()
    def written(self) -> None:
        """Carry the masters into the tensors that the model computes with."""
        match self._stage:
            case 0:
                pass  # the model computes with the masters themselves
            case 1 | 2:
                self._wrapper.update_lp_params()
            case _:
                for group in range(len(self.flat)):
                    self._wrapper._reassign_or_swap_out_partitioned_parameters(group)
                if kept_whole := self._wrapper.persistent_parameters:  # small ones stay gathered between passes
                    kept_whole[0].partition(kept_whole)
                    kept_whole[0].all_gather(kept_whole)

    def _flat(self) -> list[Tensor]:
        match self._stage:
            case 0:
                return [parameter for parameter in self._module.parameters() if parameter.requires_grad]
            case 1 | 2:
                return list(
                    getattr(self._wrapper, "single_partition_of_fp32_groups", None)
                    or self._wrapper.fp32_groups_flat_partition  # bfloat16 in stage 1
                )
            case _:
                return list(self._wrapper.fp32_partitioned_groups_flat)
