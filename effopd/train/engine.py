"""The optimiser side of training: float32 parameters, AdamW, gradient clipping, and their state by name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from effopd.models.lora import leaping_weights, merged_weights, products
from effopd.models.precision import at_precision
from effopd.params.optimizer import OptimizerParams


class NonFiniteError(ArithmeticError):
    """A loss or gradient that is not a number. The message names the step."""


class Runner(Protocol):
    """A model to run forward, on one rank or several. All ranks call every method, in the same order.

    model: the model to call. module: the Hugging Face model inside it, with its configuration.
    """

    rank: int
    ranks: int
    device: torch.device
    model: Any
    module: PreTrainedModel

    def share(self, count: int, uneven: bool = False) -> range:
        """Which of `count` rows this rank works on. Raises `ParamsError` unless every rank gets equally many.

        uneven: shares may differ by one row, for work without a backward pass; then none may be empty.
        """

    def sum(self, *values: float) -> tuple[float, ...]:
        """Each value summed over the ranks."""

    def smallest(self, value: float) -> float:
        """The least of the ranks' values."""

    def everywhere(self, holds: bool) -> bool:
        """Whether something holds on all ranks."""

    def wait(self) -> None:
        """Return when every rank has come here."""


class Engine(Runner, Protocol):
    """What a training loop asks of an engine.

    parameters: the float32 tensors that extrapolation moves, by name: this rank's masters, whole or the slices of them
    that it owns; under LoRA the frozen weights that have factors.
    """

    parameters: Mapping[str, Tensor]

    def backward(self, loss: Tensor) -> None:
        """Accumulate the gradient of Σ over the ranks of `loss`."""

    def step(self, step: int) -> float:
        """Clip the accumulated gradients, update the weights, and return the gradient norm before clipping."""

    def forget_gradients(self) -> None:
        """Drop what was accumulated since the last step."""

    def set_learning_rate(self, rate: float) -> float: ...

    def reset_optimizer(self) -> None:
        """Forget the moments, as if training began at the present weights."""

    def products(self) -> Mapping[str, Tensor]:
        """What LoRA's factors add to `parameters` at present; nothing without LoRA."""

    def weights_changed(self) -> None:
        """To be called after `parameters` were written to: the model computes with the new values from here on."""

    def each_weight(self) -> Iterator[tuple[str, Tensor]]:
        """Every weight by name, whole and in float32, one at a time; on all ranks, which must all exhaust it."""

    def state(self) -> dict[str, Tensor]:
        """This rank's weights and moments by name, as the live tensors."""

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state`."""


def checkpoint_activations(model: PreTrainedModel) -> None:
    """Compute activations again in the backward pass instead of keeping them."""
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()  # which transformers makes a condition; the models have no dropout


class TorchEngine:
    """One process, weights and AdamW moments in float32, constant learning rate.

    precision: of forward and backward passes, "float32" or "bfloat16"; gradients are summed in float32 in either.
    """

    rank, ranks = 0, 1

    def __init__(
        self, model: PreTrainedModel, params: OptimizerParams, learning_rate: float, precision: str = "float32"
    ) -> None:
        self.model = self.module = model
        self.device = model.device
        if precision != "float32":
            model.forward = at_precision(precision, model.device)(model.forward)
        self._max_grad_norm = params.max_grad_norm
        self.parameters: Mapping[str, Tensor] = leaping_weights(model)
        self._weights = dict(model.named_parameters())
        self._trained = {name: weight for name, weight in self._weights.items() if weight.requires_grad}
        self._optimizer = torch.optim.AdamW(
            self._trained.values(),
            lr=learning_rate,
            betas=(params.beta1, params.beta2),
            weight_decay=params.weight_decay,
            foreach=True,
        )

    def share(self, count: int, uneven: bool = False) -> range:  # noqa: ARG002
        return range(count)

    def sum(self, *values: float) -> tuple[float, ...]:
        return values

    def smallest(self, value: float) -> float:
        return value

    def everywhere(self, holds: bool) -> bool:
        return holds

    def wait(self) -> None:
        pass

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def step(self, step: int) -> float:
        """Clip the accumulated gradients, update the weights, and return the gradient norm before clipping.

        Raises `NonFiniteError` and leaves the weights alone when the norm is not finite.
        """
        norm = float(torch.nn.utils.clip_grad_norm_(self._trained.values(), self._max_grad_norm))
        if not math.isfinite(norm):
            raise NonFiniteError(f"step {step}: the gradient norm is {norm}")
        self._optimizer.step()
        self.forget_gradients()
        return norm

    def forget_gradients(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)

    def set_learning_rate(self, rate: float) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return rate

    def reset_optimizer(self) -> None:
        self._optimizer.state.clear()

    def products(self) -> Mapping[str, Tensor]:
        return products(self.module)

    def weights_changed(self) -> None:
        pass  # the model computes with the masters themselves

    def each_weight(self) -> Iterator[tuple[str, Tensor]]:
        yield from merged_weights(self.module)

    def state(self) -> dict[str, Tensor]:
        tensors = {f"weights/{name}": tensor for name, tensor in self._weights.items()}
        for name, parameter in self._trained.items():
            for kind, value in self._optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer/{kind}/{name}"] = value
        return tensors

    @torch.no_grad()
    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state`; copied into freshly allocated tensors, so that alignment cannot change a bit.

        Moments go where the weights are; AdamW counts its steps on the CPU.
        """
        for name, parameter in self._weights.items():
            parameter.copy_(tensors[f"weights/{name}"])
            moments = {
                kind: torch.empty_like(value, device=parameter.device if kind != "step" else "cpu").copy_(value)
                for kind in ("step", "exp_avg", "exp_avg_sq")
                if (value := tensors.get(f"optimizer/{kind}/{name}")) is not None
            }
            if moments:
                self._optimizer.state[parameter] = moments
