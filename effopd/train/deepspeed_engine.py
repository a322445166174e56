"""The engine over several processes: DeepSpeed's ZeRO stages 0 to 3 with float32 masters.

DeepSpeed is imported when an engine is built, so that nothing here is needed by runs that train with torch. Its managed
accumulation is off: `backward` accumulates as often as it is called and `step` is the boundary, with any number of
micro-batches. DeepSpeed averages gradients over ranks; the loops divide by the tokens of all ranks, so that the sum is
right, and `backward` multiplies by the number of ranks to get it.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from transformers import PreTrainedModel

from effopd.models.lora import leaping_weights, merged_weights, products
from effopd.params.engine import EngineParams
from effopd.params.optimizer import OptimizerParams
from effopd.params.section import ParamsError
from effopd.train.engine import NonFiniteError, checkpoint_activations
from effopd.train.ranks import Ranks
from effopd.train.zero import Masters


class DeepSpeedEngine(Ranks):
    """One rank of a ZeRO run: weights and moments of its own partition in float32, constant learning rate.

    `parameters` are live views of this rank's float32 partition, flat but in stage 0. Writing to them is complete with
    `weights_changed`, which carries them into the tensors that the model computes with. Under LoRA the factors are what
    is sharded, every rank has the frozen weights whole and in float32, and `parameters` are those of them with factors.
    """

    def __init__(
        self, model: PreTrainedModel, params: OptimizerParams, engine: EngineParams, learning_rate: float
    ) -> None:
        deepspeed = _deepspeed()
        self.module = model
        self._lora = engine.lora_rank > 0
        self._max_grad_norm, self._stage = params.max_grad_norm, engine.zero_stage
        if engine.activation_checkpointing:
            checkpoint_activations(model)
        optimizer = torch.optim.AdamW(
            [parameter for parameter in model.parameters() if parameter.requires_grad],
            lr=learning_rate,
            betas=(params.beta1, params.beta2),
            weight_decay=params.weight_decay,
            foreach=True,
        )
        if engine.zero_stage == 0:  # the only stage in which torch's own optimiser clips; the norm is read from it
            optimizer.register_step_pre_hook(self._clip)
        self._stage_0_norm = math.nan
        initial = {name: parameter.detach() for name, parameter in model.named_parameters()}
        config = configuration(params, engine)
        self._engine, self._wrapper, _, _ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
        super().__init__(torch.device(self._engine.device))
        self.model = self._engine
        if self.ranks != engine.ranks:
            raise ParamsError(f"engine.ranks is {engine.ranks}, but {self.ranks} processes were started")
        self._masters = Masters(model, self._wrapper, engine.zero_stage)
        self.parameters: Mapping[str, Tensor] = leaping_weights(model) if self._lora else self._masters.by_name()
        if config["bf16"]["enabled"]:
            self._start_from(initial)

    def backward(self, loss: Tensor) -> None:
        self._engine.backward(loss * self.ranks)

    def step(self, step: int) -> float:
        """As `Engine.step`. Raises `NonFiniteError` when the norm is not finite; the run must end then."""
        self._engine.step()
        norm = self._stage_0_norm if self._stage == 0 else float(self._engine.get_global_grad_norm())
        if not self.everywhere(math.isfinite(norm)):
            raise NonFiniteError(f"step {step}: the gradient norm is {norm}")
        return norm

    def forget_gradients(self) -> None:
        """Those too that ZeRO 1 and 2 have averaged or offloaded, which their own `zero_grad` keeps for a step."""
        self._engine.zero_grad()
        self._wrapper.zero_grad(set_to_none=True)
        if self._stage in (1, 2) and hasattr(self._wrapper, "averaged_gradients"):  # not of bfloat16 in stage 1
            _forget_averaged(self._wrapper)

    def set_learning_rate(self, rate: float) -> float:
        for group in self._masters.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def reset_optimizer(self) -> None:
        self._masters.optimizer.state.clear()

    def products(self) -> Mapping[str, Tensor]:
        return products(self.module)

    def weights_changed(self) -> None:
        self._masters.written()

    @torch.no_grad()
    def each_weight(self) -> Iterator[tuple[str, Tensor]]:
        yield from merged_weights(self.module) if self._lora else self._masters.each_whole()

    def state(self) -> dict[str, Tensor]:
        tensors = {f"weights/{index}": master for index, master in enumerate(self._masters.flat)}
        if self._lora:
            tensors |= {f"frozen/{name}": weight for name, weight in self.parameters.items()}
        for index, master in enumerate(self._masters.flat):
            for kind, value in self._masters.optimizer.state.get(master, {}).items():
                tensors[f"optimizer/{kind}/{index}"] = value
        return tensors

    @torch.no_grad()
    def load_state(self, tensors: dict[str, Tensor]) -> None:
        for index, master in enumerate(self._masters.flat):
            master.copy_(tensors[f"weights/{index}"])
            moments = {
                kind: value.to(master.device if kind != "step" else "cpu", copy=True)
                for kind in ("step", "exp_avg", "exp_avg_sq")
                if (value := tensors.get(f"optimizer/{kind}/{index}")) is not None
            }
            if moments:
                self._masters.optimizer.state[master] = moments
        if self._lora:
            for name, weight in self.parameters.items():
                weight.copy_(tensors[f"frozen/{name}"])
        self.weights_changed()

    @torch.no_grad()
    def _start_from(self, initial: Mapping[str, Tensor]) -> None:
        """Whole float32 weights into the masters, which DeepSpeed makes of weights rounded to bfloat16."""
        for name, parameter in self.module.named_parameters():
            if self._stage == 3:  # flat and padded at the end
                mine = self.parameters[name]
                share = initial[name].flatten()[self.rank * len(mine) :][: len(mine)]
                mine[: len(share)].copy_(share)
            else:
                parameter.set_full_hp_param(initial[name])
        self.weights_changed()

    def _clip(self, *_: Any) -> None:
        self._stage_0_norm = float(torch.nn.utils.clip_grad_norm_(self.module.parameters(), self._max_grad_norm))


def _forget_averaged(wrapper: Any) -> None:
    """What DeepSpeed does itself after an overflow, when it leaves a step out."""
    from deepspeed.runtime.zero.stage_1_and_2 import INITIAL_MICRO_STEP_ID

    wrapper.micro_step_id = INITIAL_MICRO_STEP_ID
    for kept in (wrapper.averaged_gradients, wrapper.all_grad_tensors):
        for group in kept:
            kept[group] = None
    if wrapper.cpu_offload:
        wrapper.reset_cpu_buffers()
        wrapper._offload_accumulated_param_ids = set()


def configuration(params: OptimizerParams, engine: EngineParams) -> dict[str, Any]:
    """DeepSpeed's configuration for these params."""
    zero: dict[str, Any] = {"stage": engine.zero_stage, "overlap_comm": False}
    if engine.offload_optimizer:
        zero["offload_optimizer"] = {"device": "cpu"}
    half = engine.precision == "bfloat16"
    autocast = engine.zero_stage == 0 or engine.lora_rank > 0  # weights stay float32, as leaps on frozen ones must
    return {
        "train_micro_batch_size_per_gpu": 1,  # of no effect: the loops cut their own micro-batches
        "gradient_accumulation_steps": 1,
        "managed_gradient_accumulation": False,
        "gradient_clipping": params.max_grad_norm if engine.zero_stage else 0.0,
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "bf16": {"enabled": half and not autocast},
        "data_types": {"grad_accum_dtype": "fp32"},  # or small micro-batches would be rounded away one by one
        "torch_autocast": {"enabled": half and autocast, "dtype": "bfloat16"},
        "steps_per_print": 2**31,
    }


def _deepspeed() -> Any:
    """DeepSpeed with its process group up: gloo on CPUs, the accelerator's own backend elsewhere."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    try:
        import deepspeed
    except ImportError:
        raise ParamsError("engine.name is deepspeed, which is not installed: pip install -e '.[deepspeed]'") from None
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    if not dist.is_initialized():
        deepspeed.init_distributed(dist_backend=None if torch.cuda.is_available() else "gloo", verbose=False)
        _leave_no_buffer_behind()
    return deepspeed


def _leave_no_buffer_behind() -> None:
    """Unlink the memory that ranks on CPUs share, 66 MiB each, which DeepSpeed leaves in /dev/shm for ever.

    Mappings outlive the name, so nothing is left however the ranks end.
    """
    dist.barrier()  # every rank has mapped the others' buffers by now
    address, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    name = f"deepspeed_allreduce_buffer_{os.getuid()}_{address}_{port}_{dist.get_rank()}"  # DeepSpeed's csrc/cpu/comm
    Path("/dev", "shm", name).unlink(missing_ok=True)
