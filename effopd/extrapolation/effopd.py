"""EffOPD: at steps 1, 2, 4, 8, … leap along the last update and keep the leap while validation does not get worse.

arXiv 2605.11739, algorithm 1. Elementwise by construction: each tensor moves by itself, so that shards of it
need no gather.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from effopd.params.effopd import EffOPDParams


@dataclass(frozen=True)
class Candidate:
    """One leap: W + multiplier · Δ and its validation score; None when its weights or score were not finite."""

    k: int
    multiplier: float
    score: float | None


@dataclass(frozen=True)
class Trigger:
    """What happened at t = 2^n: the score of the trained weights, the candidates tried, and the k kept (0: none)."""

    step: int
    n: int
    score: float
    candidates: list[Candidate]
    accepted: int


class EffOPD:
    """The search at one trigger after another.

    anchor: the weights from which the next direction is measured, updated in place; a resumed run must restore it.
    """

    def __init__(self, params: EffOPDParams, initial: Mapping[str, Tensor]) -> None:
        self._params = params
        self.anchor = _clone(initial)

    @torch.no_grad()
    def extrapolate(
        self,
        step: int,
        weights: Mapping[str, Tensor],
        validate: Callable[[], float],
        everywhere: Callable[[bool], bool] = bool,
        products: Mapping[str, Tensor] | None = None,
    ) -> Trigger:
        """Try the candidates and leave `weights` at the best accepted one, or bit for bit as they were.

        weights: the live float32 parameters after optimiser step `step` = 2^n, changed in place.
        validate: scores the model that owns `weights`, with the same random numbers at every call of one trigger.
        products: what LoRA's factors add to some of `weights`, the same throughout. The direction is that of the sums,
        and the leap is added to `weights`, so that factors and their moments stay as they are.
        everywhere: whether something holds on every rank, where each holds a shard; validate's score is of all of them.
        """
        start = _clone(weights)
        trained = _sum(start, products)
        score = best = validate()
        candidates: list[Candidate] = []
        accepted = 0
        for k, multiplier in enumerate(self._params.multipliers, start=1):
            self._leap(weights, start, trained, multiplier)
            candidate = Candidate(k, multiplier, _finite_score(weights, validate, everywhere))
            candidates.append(candidate)
            if candidate.score is None or not self._accepts(candidate.score, best):
                break
            accepted, best = k, candidate.score
        if accepted:
            self._leap(weights, start, trained, self._params.multipliers[accepted - 1])
        else:
            _copy(start, into=weights)
        _copy(trained if self._params.anchor == "trained" else _sum(weights, products), into=self.anchor)
        return Trigger(step, step.bit_length() - 1, score, candidates, accepted)

    def _leap(
        self,
        weights: Mapping[str, Tensor],
        start: Mapping[str, Tensor],
        trained: Mapping[str, Tensor],
        multiplier: float,
    ) -> None:
        """W̃ = W + m (W − anchor), always from the same snapshot, never from the candidate before."""
        for name, tensor in weights.items():
            tensor.copy_(start[name])
            if self._params.scope == "all" or is_block(name):
                tensor.add_(trained[name] - self.anchor[name], alpha=multiplier)

    def _accepts(self, score: float, best: float) -> bool:
        return score >= best if self._params.accept == ">=" else score > best


def is_block(name: str) -> bool:
    """Whether a parameter belongs to an attention or MLP module, the scope of the paper's released code."""
    return re.search(r"\.(self_attn|mlp)\.", name) is not None


def _finite_score(
    weights: Mapping[str, Tensor], validate: Callable[[], float], everywhere: Callable[[bool], bool]
) -> float | None:
    if not everywhere(all(bool(tensor.isfinite().all()) for tensor in weights.values())):
        return None
    score = validate()
    return score if math.isfinite(score) else None


def _clone(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}


def _sum(weights: Mapping[str, Tensor], products: Mapping[str, Tensor] | None) -> Mapping[str, Tensor]:
    """The weights that the model computes with; `weights` themselves where nothing is added."""
    return {name: tensor + products[name] for name, tensor in weights.items()} if products else weights


def _copy(source: Mapping[str, Tensor], into: Mapping[str, Tensor]) -> None:
    for name, tensor in into.items():
        tensor.copy_(source[name])
