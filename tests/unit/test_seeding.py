"""Random numbers by name: the same for ever, and independent of each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from effopd.seeding import derive_seed, generator, shuffled_batch, uniforms


def test_seeds_and_numbers_stay_what_they_are() -> None:
    """A change here changes every result that was ever published with a seed."""
    assert derive_seed(42, "rollout", 1) == 8662933062591764578
    assert generator(42, "problems").integers(0, 1000, 5).tolist() == [208, 868, 871, 152, 821]
    assert uniforms(7, [0, 3], 2).tolist() == [
        [0.8720734548204873, 0.29536538151378355],
        [0.4821286018761155, 0.7241355726248441],
    ]
    assert shuffled_batch(7, "prompts", 2, 4, 10) == [3, 9, 1, 7]


def test_purposes_never_share_a_seed() -> None:
    purposes = [(), ("a",), ("b",), ("a", 1), ("a", 11), ("a1", 1), ("a", 1, 1), ("a", "b"), ("ab",), ("a", 1, "b")]
    seeds = [derive_seed(seed, *purpose) for seed in (0, 1, 10) for purpose in purposes]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_streams_of_different_purposes_are_uncorrelated() -> None:
    streams = [generator(42, "rollout", step).random(20_000) for step in range(4)]
    streams.append(generator(43, "rollout", 0).random(20_000))
    for first, second in itertools.combinations(streams, 2):
        assert abs(np.corrcoef(first, second)[0, 1]) < 5 / 20_000**0.5


def test_a_row_of_numbers_depends_on_its_own_name_alone() -> None:
    whole = uniforms(9, range(6), 8)
    assert np.array_equal(uniforms(9, [4, 1], 8), whole[[4, 1]])
    assert np.array_equal(uniforms(9, range(6), 5), whole[:, :5]), "a longer limit keeps the first numbers"
    assert not np.array_equal(uniforms(10, range(6), 8), whole)
    assert len(np.unique(whole)) == whole.size
    assert whole.dtype == np.float64 and whole.min() >= 0 and whole.max() < 1


def test_rows_are_uniform_and_uncorrelated() -> None:
    numbers = uniforms(3, range(2000), 4)
    counts = np.histogram(numbers, 10, (0, 1))[0]
    assert abs(counts - 800).max() < 5 * 800**0.5
    for first, second in ((numbers[:-1, 0], numbers[1:, 0]), (numbers[:, 0], numbers[:, 1])):
        assert abs(np.corrcoef(first, second)[0, 1]) < 5 / 2000**0.5


@pytest.mark.parametrize(("size", "population"), [(4, 12), (5, 12), (7, 3), (1, 1), (12, 12), (25, 12)])
def test_every_pass_over_the_population_meets_each_index_once(size: int, population: int) -> None:
    steps = 3 * population
    batches = [shuffled_batch(1, "prompts", step, size, population) for step in range(1, steps + 1)]
    assert {len(batch) for batch in batches} == {size}
    drawn = [index for batch in batches for index in batch]
    epochs = [drawn[i : i + population] for i in range(0, len(drawn), population)]
    assert all(sorted(epoch) == list(range(population)) for epoch in epochs)
    if population > 3:
        assert len({tuple(epoch) for epoch in epochs}) == len(epochs), "shuffled anew each time"


def test_batches_depend_on_seed_and_purpose() -> None:
    batches = [
        shuffled_batch(seed, purpose, 1, 8, 100) for seed, purpose in ((1, "prompts"), (2, "prompts"), (1, "other"))
    ]
    assert len({tuple(batch) for batch in batches}) == 3
