"""Rates: planted learning curves in which a method forgives a bad rate, and in which it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_variants import variant
from planted_world import World

from effopd.files import DataError
from effopd.studies.rates import conclude
from effopd.studies.variants import Variant

METHODS = ("opd", "effopd", "effopd-free")


def at_rate(root: Path, name: str, accuracies: tuple[float, float, float]) -> Variant:
    """A world in which the three methods have these accuracies after 8 batches, with intervals of ± 0.02."""
    world = World(root / name, replicates=(0,), rates=())
    for method, accuracy in zip(METHODS, accuracies, strict=True):
        world.run(f"{method}-0", (0.4, 0.4, 0.4, 0.4, accuracy, 0.99), triggers=method != "opd")
    return variant(world, name)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ((0.4, 0.6, 0.9), (0.9, 0.9, 0.92), "reproduced"),
        ((0.4, 0.6, 0.63), (0.9, 0.9, 0.92), "partly"),  # 0.61 is not above 0.62
        ((0.9, 0.9, 0.9), (0.4, 0.4, 0.4), "not reproduced"),
        ((0.4, 0.9, 0.9), (0.9, 0.4, 0.9), "partly"),  # each method by its own worst rate
    ],
)
def test_the_verdict_follows_from_the_worst_rate_of_each_method(
    tmp_path: Path, low: tuple[float, float, float], high: tuple[float, float, float], expected: str
) -> None:
    answer = conclude([], [at_rate(tmp_path, "1e-5", low), at_rate(tmp_path, "1e-3", high)])
    assert answer.verdict == expected
    found = {(one.label, one.series): one.value.value for one in answer.numbers if "accuracy" in one.measure}
    assert [found["1e-5", series] for series in ("OPD", "EffOPD", "EffOPD-free")] == list(low)


def test_a_method_without_that_checkpoint_is_an_error(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    world.run("opd-0", (0.4, 0.5, 0.6))
    with pytest.raises(DataError, match="opd-0: no checkpoint at step 8"):
        conclude([], [variant(world)])
