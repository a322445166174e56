"""Variants with planted results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from planted_world import World

from effopd.params.schema import Params, check_file
from effopd.studies.variants import Aligned, Searched, Variant

ROOT = Path(__file__).parents[3]
MATRICES = {"model.layers.0.self_attn.q_proj.weight": 96, "model.layers.0.mlp.up_proj.weight": 288}
STEPS = (1, 8, 64)


def params(**sections: dict[str, object]) -> Params:
    """Those of params.yaml, with other values."""
    values = check_file(ROOT / "params.yaml").model_dump()
    return Params.model_validate({**values, **{name: values[name] | section for name, section in sections.items()}})


def aligned(level: float, spread: float = 0.0, k: int = 20) -> tuple[Aligned, ...]:
    """`level` at 1/64 and at 1/8 of training, a little more in each further matrix, by both measures."""
    return tuple(
        Aligned(step, name, "left", k, value := 1.0 if step == STEPS[-1] else level + spread * n, value)
        for n, name in enumerate(MATRICES)
        for step in STEPS
    )


def variant(
    world: World,
    name: str = "one",
    levels: dict[str, tuple[Aligned, ...]] | None = None,
    searches: Sequence[Searched] = (),
    asked: Params | None = None,
) -> Variant:
    return Variant(name, asked or params(), world.evidence(), levels or {}, MATRICES, {}, tuple(searches))
