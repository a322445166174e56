"""The optimiser side of training: float32 parameters, AdamW, gradient clipping, and their state by name."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformers import PreTrainedModel

from effopd.params.optimizer import OptimizerParams


class NonFiniteError(ArithmeticError):
    """A loss or gradient that is not a number. The message names the step."""


class TorchEngine:
    """One process, weights and AdamW moments in float32, constant learning rate."""

    def __init__(self, model: PreTrainedModel, params: OptimizerParams, learning_rate: float) -> None:
        self.model = model
        self._max_grad_norm = params.max_grad_norm
        self.parameters: dict[str, Tensor] = dict(model.named_parameters())
        self._optimizer = torch.optim.AdamW(
            self.parameters.values(),
            lr=learning_rate,
            betas=(params.beta1, params.beta2),
            weight_decay=params.weight_decay,
            foreach=True,
        )

    def step(self, step: int) -> float:
        """Clip the accumulated gradients, update the weights, and return the gradient norm before clipping.

        Raises `NonFiniteError` and leaves the weights alone when the norm is not finite.
        """
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters.values(), self._max_grad_norm))
        if not math.isfinite(norm):
            raise NonFiniteError(f"step {step}: the gradient norm is {norm}")
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return norm

    def set_learning_rate(self, rate: float) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return rate

    def reset_optimizer(self) -> None:
        """Forget the moments, as if training began at the present weights."""
        self._optimizer.state.clear()

    def state(self) -> dict[str, Tensor]:
        """Weights and moments by name, as the live tensors."""
        tensors = {f"weights/{name}": tensor for name, tensor in self.parameters.items()}
        for name, parameter in self.parameters.items():
            for kind, value in self._optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer/{kind}/{name}"] = value
        return tensors

    @torch.no_grad()
    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state`; copied into freshly allocated tensors, so that alignment cannot change a bit."""
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[f"weights/{name}"])
            moments = {
                kind: torch.empty_like(value).copy_(value)
                for kind in ("step", "exp_avg", "exp_avg_sq")
                if (value := tensors.get(f"optimizer/{kind}/{name}")) is not None
            }
            if moments:
                self._optimizer.state[parameter] = moments
