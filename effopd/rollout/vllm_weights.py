"""The weights inside vLLM: overwritten in place, and read back as its kernels see them.

vLLM joins tensors, pads them, and packs them out of sight on a CPU. Where each of them went is found out once, before
anything is sampled: every tensor is overwritten by a number of its own, and the rows that then hold this number are
its. From there on the sums of what was given and of what its rows hold are compared after every update, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from effopd.errors import one_line
from effopd.params.section import ParamsError

Weights = Callable[[], Iterable[tuple[str, Tensor]]]
"""Yields a model's tensors, whole and under the names that it is published with; each call begins anew."""

HEAD, EMBEDDINGS = "lm_head.weight", ("embed_tokens.weight", "wte.weight")
_DIGITS = 200  # whole numbers up to 256 are exact in bfloat16
_AT_ONCE = 2**24  # numbers that are compared at once
_NAMED = 3


class StaleWeightsError(ArithmeticError):
    """vLLM does not compute with the trainer's present weights. The message names the step."""


class VLLMWeights:
    """llm: vLLM's `LLM`, in this process. key: what asks for it in params.yaml, for messages."""

    def __init__(self, llm: Any, key: str = "rollout.engine") -> None:
        self._llm, self._key = llm, key
        self._names: list[str] = []
        self._owners: dict[str, Tensor] = {}

    @torch.no_grad()
    def give(self, weights: Weights, what: str) -> None:
        """Overwrite all weights, and look whether they have arrived.

        what: to name in messages, such as "step 3". Raises `StaleWeightsError` naming tensors that are others, and at
        the first call `ParamsError` naming those that cannot be overwritten.
        """
        first = not self._owners
        if first:
            self._find_owners(weights)
        sums: list[int] = []

        def summed() -> Iterator[tuple[str, Tensor]]:
            for name, tensor in self._all(weights):
                sums.append(int(_row_sums(_matrix(tensor.to(self._dtype()))).sum()))
                yield name, tensor

        self._overwrite(summed())
        stale = self._stale(sums)
        if stale and first:
            raise self._refusal(stale)
        if stale:
            raise StaleWeightsError(
                f"{what}: vLLM's {_listed(stale)} not the trainer's; it missed the last update of the weights"
            )

    def _all(self, weights: Weights) -> Iterator[tuple[str, Tensor]]:
        """With the head of a model that shares it with the embedding, which vLLM keeps a packed copy of."""
        missing = HEAD in dict(self._model().named_parameters(remove_duplicate=False))
        embedding = None
        for name, tensor in weights():
            yield name, tensor
            missing &= name != HEAD
            if name.endswith(EMBEDDINGS):
                embedding = tensor
        if missing and embedding is not None:
            yield HEAD, embedding

    def _overwrite(self, weights: Iterator[tuple[str, Tensor]]) -> None:
        try:
            self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})
        except Exception as error:  # noqa: BLE001 - what vLLM's loaders raise on a name or shape that they do not know
            raise self._refusal([], f" ({one_line(repr(error), 200)})") from None
        self._llm.reset_prefix_cache()  # whose keys and values are the old weights'

    def _find_owners(self, weights: Weights) -> None:
        """Which given tensor each row of vLLM's own belongs to: its place in `_names`, or −1."""
        if blind := sorted(_blind(self._model())):
            raise self._refusal(blind)
        self._names = [name for name, _ in self._all(weights)]
        power, owners = 1, dict[str, Tensor]()
        while power <= len(self._names):
            digits = [place // power % _DIGITS for place in range(len(self._names))]
            given = zip(digits, self._all(weights), strict=True)
            self._overwrite((name, torch.full_like(tensor, -1.0 - digit)) for digit, (name, tensor) in given)
            for holder, matrix in _holders(self._model()):
                lowest, highest = matrix.amin(1), matrix.amax(1)
                found = (-1 - lowest).long()
                known = (lowest == highest) & (lowest == -1 - found) & (found >= 0) & (found < _DIGITS)
                before = owners.get(holder, torch.zeros_like(found))
                owners[holder] = torch.where(known & (before >= 0), before + power * found, -1)
            power *= _DIGITS
        reached = {place for rows in owners.values() for place in rows.unique().tolist()}
        lost = [name for place, name in enumerate(self._names) if place not in reached]
        if lost := lost or sorted(holder for holder, rows in owners.items() if (rows < 0).all()):
            raise self._refusal(lost)
        self._owners = owners

    def _stale(self, sums: Sequence[int]) -> list[str]:
        """The names of tensors that vLLM holds other numbers of."""
        stale = set()
        for holder, matrix in _holders(self._model()):
            owners = self._owners[holder]
            places, where = owners[owners >= 0].unique(return_inverse=True)
            held = torch.zeros_like(places).index_add(0, where, _row_sums(matrix)[owners >= 0])
            of = zip(places.tolist(), held.tolist(), strict=True)
            stale |= {self._names[place] for place, total in of if total != sums[place]}
        return sorted(stale)

    def _refusal(self, names: Sequence[str], why: str = "") -> ParamsError:
        kind = self._llm.model_config.hf_config.model_type
        said = f": {_listed(names)} not overwritten" if names else ""
        return ParamsError(
            f"{self._key}: vllm cannot be given new weights of a {kind} here{said}{why}; set it to transformers"
        )

    def _model(self) -> nn.Module:
        found: list[nn.Module] = []
        self._llm.apply_model(found.append)
        return found[0]

    def _dtype(self) -> torch.dtype:
        return self._llm.model_config.dtype


def _holders(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every tensor that vLLM computes with, as a matrix whose rows are each a part of one given tensor.

    On a CPU linear layers hold a packed copy, which is read by passing the identity through them: a product with 1 and
    sums with 0 are exact.
    """
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.numel():
                yield f"{path}.{name}", _matrix(parameter)
        if _packed(module):
            width = module.embedding_dim if hasattr(module, "embedding_dim") else module.input_size
            dtype = next(model.parameters()).dtype
            yield f"{path}.packed", module.quant_method.apply(module, torch.eye(width, dtype=dtype)).T


def _packed(module: nn.Module) -> bool:
    return hasattr(module, "cpu_linear") and hasattr(module, "quant_method")


def _blind(model: nn.Module) -> Iterator[str]:
    """Experts on a CPU: their kernels keep the copies that were packed at the start, and nothing reads those."""
    for path, module in model.named_modules():
        if hasattr(module, "w13_weight") and module.w13_weight.device.type == "cpu":
            yield path


def _matrix(tensor: Tensor) -> Tensor:
    return tensor.flatten(0, -2) if tensor.ndim > 1 else tensor.reshape(-1, 1)


def _row_sums(matrix_RC: Tensor) -> Tensor:
    """A sum (R,) over each row that no other numbers have, but by a chance of 2⁻⁶⁴; in any order of the columns."""
    sums_R = torch.zeros(len(matrix_RC), dtype=torch.int64, device=matrix_RC.device)
    for block in matrix_RC.split(max(1, _AT_ONCE // len(matrix_RC)), dim=1):
        values = (block + 0.0).contiguous()  # −0 is 0
        bits = values.view({4: torch.int32, 2: torch.int16}[values.element_size()]).long()
        bits = (bits + 0x2545F491) * 0x9E3779B97F4A7C1  # odd multipliers lose nothing
        bits = (bits ^ (bits >> 29)) * 0x3C79AC492BA7B653
        sums_R += (bits ^ (bits >> 32)).sum(1)
    return sums_R


def _listed(names: Sequence[str]) -> str:
    """The first names and how many others there are, with the verb: "a, b are"."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more} {'is' if len(names) == 1 else 'are'}"
