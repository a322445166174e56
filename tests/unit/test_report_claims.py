"""Verdicts and their sentences follow the numbers, whichever way these fall."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_world import EFFOPD, OPD, Row, World, apart, document

from effopd.report.claims import claims
from effopd.report.convergence import speedup
from effopd.report.datasets import Benchmarked
from effopd.report.mechanism_claims import is_bracketed
from effopd.report.verdicts import Claim, verdict


def claim(world: World, name: str) -> Claim:
    results = world.read()
    return {one.name: one for one in claims(results, speedup(results, 0.95), 0.95, apart(results))}[name]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_one_rule_makes_all_verdicts() -> None:
    assert verdict([True, True]) == "reproduced"
    assert verdict([True, False]) == "partly"
    assert verdict([True, None]) == "partly"
    assert verdict([False, None]) == "not reproduced"
    assert verdict([None, None]) == "not measured"
    assert verdict([]) == "not measured"


@pytest.mark.parametrize(
    ("accuracy", "greedy", "expected"),
    [(0.4, 0.99, "reproduced"), (0.49, 0.99, "partly"), (0.4, 0.4, "partly"), (0.8, 0.7, "not reproduced")],
)
def test_latent_ability_needs_failures_and_a_greedy_gain(
    world: World, accuracy: float, greedy: float, expected: str
) -> None:
    world.run("rl", [accuracy, *OPD[1:]], greedy=greedy, spectral=True)
    found = claim(world, "latent_ability")
    assert found.verdict == expected
    assert f"{accuracy:.3f}" in found.finding and f"{greedy:.3f}" in found.finding


@pytest.mark.parametrize(
    ("rl", "opd", "expected"), [(1.0, 0.71, "reproduced"), (0.69, 1.0, "partly"), (0.43, 0.42, "not reproduced")]
)
def test_strong_runs_halve_the_errors_of_the_base(world: World, rl: float, opd: float, expected: str) -> None:
    world.run("rl", [*OPD[:-1], rl], spectral=True)
    for replicate in world.replicates:
        world.run(f"opd-{replicate}", [*OPD[:-1], opd], spectral=True)
    found = claim(world, "strong_runs")
    assert found.verdict == expected
    assert f"RL ends at {rl:.3f}" in found.finding and f"OPD ends at {opd:.3f}" in found.finding


@pytest.mark.parametrize(
    ("curve", "expected", "said"),
    [
        (EFFOPD, "reproduced", "median 9.51"),
        ((0.4, 0.4, 0.4, 0.4, 0.4, 0.9, 1.0), "partly", "median 2.38"),  # 2^5.75 / 2^4.5
        ((0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.95), "not reproduced", "median 0.84"),  # 2^5.75 / 2^6
        ((0.4, 0.4, 0.4), "not reproduced", "never arrive"),
    ],
)
def test_fewer_steps_follows_the_planted_speedup(
    world: World, curve: tuple[float, ...], expected: str, said: str
) -> None:
    for replicate in world.replicates:
        world.run(f"effopd-{replicate}", curve, spectral=True)
    found = claim(world, "fewer_steps")
    assert (found.verdict, said in found.finding) == (expected, True)


@pytest.mark.parametrize(
    ("seconds", "expected", "said"),
    [
        ([3.0, 3.0, 3.0], "reproduced", "median 3.17"),
        ([3.0, 20.0, 20.0], "partly", "median 0.48"),
        ([20.0, 20.0, 20.0], "not reproduced", "median 0.48"),
        ([None, None, None], "not measured", "not timed"),
    ],
)
def test_less_time_follows_the_planted_seconds(
    world: World, seconds: list[float | None], expected: str, said: str
) -> None:
    for replicate, each in zip(world.replicates, seconds, strict=True):
        world.run(f"effopd-{replicate}", EFFOPD, seconds=each, spectral=True)
    found = claim(world, "less_time")
    assert (found.verdict, said in found.finding) == (expected, True)


@pytest.mark.parametrize(
    ("untimed", "never", "expected", "said"),
    [
        ([0, 1], [2], "not measured", "the median was not measured (replicates: not timed, not timed, never arrived"),
        ([0], [1], "partly", "the median was not measured (replicates: not timed, never arrived"),  # a third at 3.17
        ([0], [1, 2], "not reproduced", "the median one never arrives"),  # whatever the first one took
        ([0], [], "reproduced", "median 3.17 (replicates: not timed, 3.17, 3.17)"),  # whatever the first one took
    ],
)
def test_an_untimed_replicate_is_on_neither_side_of_the_median(
    world: World, untimed: list[int], never: list[int], expected: str, said: str
) -> None:
    for replicate in world.replicates:
        curve = (0.4, 0.4, 0.4) if replicate in never else EFFOPD
        seconds = None if replicate in untimed else 3.0
        world.run(f"effopd-{replicate}", curve, seconds=seconds, spectral=True)
    found = claim(world, "less_time")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


@pytest.mark.parametrize(
    ("curve", "seconds", "expected"),
    [
        (OPD, 1.0, "reproduced"),
        ((0.4, 0.4, 0.4, 0.9, 1.0, 1.0, 1.0, 1.0), 30.0, "partly"),  # as many steps, more time
        ((0.4, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0), 1.0, "not reproduced"),
    ],
)
def test_best_rate_is_judged_in_steps_and_in_time(
    world: World, curve: tuple[float, ...], seconds: float, expected: str
) -> None:
    world.run("opd-lr-0.0003", curve, rate=3e-4, seconds=seconds)
    found = claim(world, "best_rate")
    assert found.verdict == expected
    assert "Rates tried: 0.0001, 0.0003, 0.001" in found.finding


def test_best_rate_is_not_measured_without_a_sweep(tmp_path: Path) -> None:
    assert claim(World(tmp_path, rates=()), "best_rate").verdict == "not measured"


@pytest.mark.parametrize(
    ("rl", "expected"),
    [
        (((4, 0.1), (8, 0.2), (16, 0.3)), "reproduced"),
        (((4, 0.1), (8, 0.2), (12, 0.99), (16, 0.99)), "partly"),  # ahead at 10 %, behind at 20 %
        (((4, 0.9), (8, 0.95), (16, 0.99)), "not reproduced"),
        (((32, 0.1), (64, 1.0)), "not measured"),
    ],
)
def test_early_alignment_compares_at_ten_and_twenty_per_cent(
    world: World, rl: tuple[tuple[int, float], ...], expected: str
) -> None:
    for replicate in world.replicates:
        world.run(f"opd-{replicate}", OPD, spectral=True, alignment=((4, 0.5), (8, 0.7), (16, 0.8), (64, 1.0)))
    world.run("rl", OPD, spectral=True, alignment=rl)
    found = claim(world, "early_alignment")
    assert found.verdict == expected
    if expected != "not measured":
        assert "OPD's alignment is 0.620" in found.finding  # 10 % is step 6.4: 0.5 + 0.2 · 2.4 / 4


def aligned_at(world: World, *levels: float) -> None:
    """OPD's replicates with these alignments at 10 % of training, linear from there."""
    for replicate, level in zip(world.replicates, levels, strict=True):
        world.run(f"opd-{replicate}", OPD, spectral=True, alignment=((4, 0.1), (6.4, level), (64, 1.0)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("levels", "expected", "said"),
    [
        ((0.72, 0.8, 0.9), "reproduced", "is 0.800 (0.720–0.900) there"),
        ((0.71, 0.8, 0.9), "partly", "is 0.800 (0.710–0.900) there"),
        (
            (0.44, 0.44, 0.44),
            "not reproduced",
            "and 0.72 is reached at 55 % (55–55 %) of training",
        ),  # half way from 10 to 100 %
    ],
)
def test_early_level_is_the_documents_number(world: World, levels: tuple[float, ...], expected: str, said: str) -> None:
    aligned_at(world, *levels)
    found = claim(world, "early_level")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


@pytest.mark.parametrize(
    ("levels", "rl", "expected", "said"),
    [
        ((0.7, 0.7, 0.7), ((16, 0.5), (32, 0.6), (48, 0.8), (64, 1.0)), "reproduced", "at 62 % (62–62 %) of its own"),
        ((0.7, 0.6, 0.7), ((16, 0.5), (32, 0.6), (48, 0.8), (64, 1.0)), "partly", "at 62 % (50–62 %) of its own"),
        ((0.7, 0.7, 0.7), ((8, 0.6), (16, 0.8), (64, 1.0)), "not reproduced", "at 19 % (19–19 %) of its own"),
        ((0.7, 0.7, 0.7), ((8, 0.8), (64, 1.0)), "not reproduced", "RL's first checkpoint is more aligned than 0.700"),
        ((0.7, 0.7, 0.7), ((48, 0.8), (64, 1.0)), "not measured", "RL's first checkpoint is more aligned than 0.700"),
    ],
)
def test_rl_is_aligned_late_where_it_meets_opds_level_late(
    world: World, levels: tuple[float, ...], rl: tuple[tuple[int, float], ...], expected: str, said: str
) -> None:
    aligned_at(world, *levels)
    world.run("rl", OPD, spectral=True, alignment=rl)
    found = claim(world, "rl_aligned_late")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


@pytest.mark.parametrize(
    ("name", "field", "better", "worse"),
    [
        ("spectral_norm", "spectral_norm", 0.05, 0.2),
        ("spectral_ratio", "spectral_frobenius_ratio", 0.4, 0.6),
        ("effective_rank", "effective_rank", 30.0, 10.0),
        ("top1_ratio", "top1_norm_ratio", 0.4, 0.6),
    ],
)
def test_each_row_of_table_one_is_compared_with_rl(
    world: World, name: str, field: str, better: float, worse: float
) -> None:
    """OPD has SPECTRUM; `better` and `worse`: RL's number for the claim."""
    world.run("rl", OPD, spectral=True, update={field: better})
    assert claim(world, name).verdict == "reproduced"
    world.run("opd-1", OPD, spectral=True, update={field: better})
    assert claim(world, name).verdict == "partly"  # one replicate is level with RL
    world.run("opd-1", OPD, spectral=True)
    world.run("rl", OPD, spectral=True, update={field: worse})
    assert claim(world, name).verdict == "not reproduced"


def test_a_row_of_table_one_has_an_interval_over_weight_matrices(world: World) -> None:
    """Eight matrices, two in each layer: RL's number is 30 ± 0.5 and ± 1.5 spreads, OPD's is 20."""
    for spread, expected in ((10.0, "reproduced"), (13.0, "partly")):
        world.run("rl", OPD, spectral=True, update={"effective_rank": 30.0}, matrix_spread=spread)
        reach = 1.96 * spread * np.std([-1.5, -0.5, 0.5, 1.5] * 2, ddof=1) / np.sqrt(8)
        found = claim(world, "effective_rank")
        said = f"-10.0 (interval {-10 - reach:+.1f} to {-10 + reach:+.1f} over 8 weight matrices"
        assert (found.verdict, said in found.finding) == (expected, True), found.finding


def test_without_rl_no_row_of_table_one_is_judged(world: World) -> None:
    shutil.rmtree(world.root / "models/rl")
    for name in ("spectral_norm", "spectral_ratio", "effective_rank", "top1_ratio", "rl_aligned_late", "rl_later"):
        assert claim(world, name).verdict == "not measured"


def test_attention_is_spared_where_it_holds_less_of_the_squared_length(world: World) -> None:
    def heavy(at: Callable[[int], bool]) -> Callable[[Row], float]:
        return lambda row: 2.0 if row["kind"] == "attention" and at(row["step"]) else 1.0

    world.run("rl", OPD, spectral=True, matrix_norm=heavy(lambda _: True))
    found = claim(world, "spared_attention")
    assert found.verdict == "reproduced"
    assert "50.0 % in OPD (50.0 to 50.0 %) and 80.0 % in RL at 10 % of training" in found.finding  # 2² of 2² + 1²
    world.run("rl", OPD, spectral=True, matrix_norm=heavy(lambda step: step == 64))
    found = claim(world, "spared_attention")
    assert found.verdict == "partly" and "50.0 % in RL at 10 % of training" in found.finding
    world.run("rl", OPD, spectral=True, matrix_norm=heavy(lambda step: step == 8))
    found = claim(world, "spared_attention")  # 10 % is step 6.4: 50 + 30 · 2.4 / 4
    assert found.verdict == "partly" and "68.0 % in RL at 10 % of training" in found.finding
    world.run("rl", OPD, spectral=True)
    assert claim(world, "spared_attention").verdict == "not reproduced"


SLOW = (0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.9)
"""Meets 95 % of its end 0.91 octaves past step 32: at 60.1."""


@pytest.mark.parametrize(
    ("rl", "slowest", "expected", "said"),
    [
        (SLOW, OPD, "reproduced", "RL takes 60 steps and OPD 54 (54–54)"),
        (OPD, SLOW, "not reproduced", "RL takes 54 steps and OPD 54 (54–60)"),  # the others are level with RL
        ((0.4, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0), OPD, "not reproduced", "RL takes 1 steps"),
    ],
)
def test_rl_is_later_where_it_takes_more_steps_to_its_own_end(
    world: World, rl: tuple[float, ...], slowest: tuple[float, ...], expected: str, said: str
) -> None:
    world.run("rl", rl, spectral=True)
    world.run("opd-2", slowest, spectral=True)
    found = claim(world, "rl_later")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


@pytest.mark.parametrize(
    ("tokens", "expected", "said"),
    [
        ((20, 10, 10, 10), "reproduced", "RL takes 1,076 sampled tokens and OPD 538 (538–538)"),
        ((20, 10, 10, 40), "partly", "OPD 538 (538–2,153)"),
        ((5, 10, 10, 10), "not reproduced", "RL takes 269"),
    ],
)
def test_rl_needs_many_rollouts_where_it_samples_more_tokens(
    world: World, tokens: tuple[int, ...], expected: str, said: str
) -> None:
    for name, each in zip(("rl", "opd-0", "opd-1", "opd-2"), tokens, strict=True):
        world.run(name, OPD, spectral=True, tokens=each)
    found = claim(world, "rl_rollouts")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


@pytest.mark.parametrize(
    ("rl", "paired", "expected", "said"),
    [
        (0.9, 0.9, "reproduced", "OPD minus RL is +0.100 (paired interval +"),
        (0.9, 1.0, "partly", "OPD minus RL is +0.000 (paired interval +0.000 to +0.000)"),
        (1.0, 1.0, "not reproduced", "RL ends at 1.000 (interval 0.980–1.020), OPD at 1.000"),
    ],
)
def test_rl_has_a_lower_ceiling_where_curve_and_pairs_say_so(
    world: World, rl: float, paired: float, expected: str, said: str
) -> None:
    world.run("rl", [*OPD[:-1], rl], spectral=True)
    world.intervene("rl", lambda row: paired if row["alpha"] == 1.0 else document(row))
    found = claim(world, "rl_ceiling")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


def test_a_lower_ceiling_without_pairs_is_partly_shown(world: World) -> None:
    world.run("rl", SLOW, spectral=True)
    shutil.rmtree(world.root / "reports/interventions")
    found = claim(world, "rl_ceiling")
    assert found.verdict == "partly" and "there is no paired interval" in found.finding


@pytest.mark.parametrize(
    ("ends", "expected", "said"),
    [
        ((1.0, 0.985, 1.0), "reproduced", "+0.000, -0.015, +0.000"),
        ((1.0, 0.97, 1.0), "partly", "+0.000, -0.030, +0.000"),
        ((0.9, 0.9, 0.9), "not reproduced", "EffOPD ends at 0.900 (interval 0.880–0.920), OPD at 1.000"),
    ],
)
def test_the_same_end_is_asked_of_each_replicate(
    world: World, ends: tuple[float, ...], expected: str, said: str
) -> None:
    for replicate, end in zip(world.replicates, ends, strict=True):
        world.run(f"effopd-{replicate}", [*EFFOPD[:-1], end])
    found = claim(world, "same_end")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


@pytest.mark.parametrize(
    ("at_16", "expected", "said"),
    [
        ((0.9, 0.9, 0.9), "reproduced", "0.832 against 0.826"),  # log₂(10/8) of 0.1, and log₂(35/32) of 0.2
        ((0.9, 0.85, 0.9), "partly", "0.832 against 0.826, 0.816 against 0.826"),
        ((0.8, 0.8, 0.8), "not reproduced", "0.800 against 0.826"),
        ((None, None, None), "not measured", "a run is shorter than that"),
    ],
)
def test_ten_steps_of_effopd_are_held_against_thirty_five(
    world: World, at_16: tuple[float | None, ...], expected: str, said: str
) -> None:
    for replicate, last in zip(world.replicates, at_16, strict=True):
        curve = [0.4, 0.5, 0.6, 0.7, 0.8]
        world.run(f"effopd-{replicate}", curve if last is None else [*curve, last])
    found = claim(world, "ten_steps")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


@pytest.mark.parametrize(
    ("at_4", "expected"),
    [((0.7, 0.8, 0.9), "reproduced"), ((0.69, 0.8, 0.9), "partly"), ((0.5, 0.6, 0.69), "not reproduced")],
)
def test_the_fourth_step_is_strong_where_half_of_the_errors_are_gone(
    world: World, at_4: tuple[float, ...], expected: str
) -> None:
    for replicate, accuracy in zip(world.replicates, at_4, strict=True):
        world.run(f"effopd-{replicate}", [0.4, 0.4, 0.4, accuracy, 1.0])
    found = claim(world, "fourth_step")
    assert found.verdict == expected
    assert (
        f"{', '.join(f'{accuracy:.3f}' for accuracy in at_4)}; half of the base's errors are left at 0.700"
        in found.finding
    )


@pytest.mark.parametrize(
    ("searches", "validation", "expected", "said"),
    [
        (4, 4.0, "reproduced", "4 in 8 steps, 4 in 8 steps, 4 in 8 steps, with 8, 8, 8 candidates"),  # 1 + log₂ 8
        (4, 4.0, "reproduced", "to the target: 8 %, 8 %, 8 %"),  # of 48.2 s: 2^5.75 - 2^2.5 steps
        (4, 10.0, "partly", "to the target: 21 %, 21 %, 21 %"),
        (5, 4.0, "partly", "5 in 8 steps"),
        (5, 10.0, "not reproduced", "5 in 8 steps"),
    ],
)
def test_searches_are_counted_and_their_seconds_held_against_those_saved(
    world: World, searches: int, validation: float, expected: str, said: str
) -> None:
    for replicate in world.replicates:
        world.run(f"effopd-{replicate}", EFFOPD, triggers=True, validation_seconds=validation)
        log = world.root / f"models/effopd-{replicate}/triggers.jsonl"
        log.write_text(log.read_text() * searches)
    found = claim(world, "few_searches")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


@pytest.mark.parametrize(
    ("curve", "seconds", "said"), [((0.4, 0.4), 1.0, "nothing saved"), (EFFOPD, None, "not timed")]
)
def test_a_search_that_saves_nothing_is_told_from_one_that_was_not_timed(
    world: World, curve: tuple[float, ...], seconds: float | None, said: str
) -> None:
    for replicate in world.replicates:
        world.run(f"effopd-{replicate}", curve, seconds=seconds, triggers=True)
    found = claim(world, "few_searches")
    assert found.verdict == "partly" and f"{said}, {said}, {said}" in found.finding


def test_nothing_is_said_of_easy_and_hard_validation_prompts(world: World) -> None:
    found = claim(world, "validation_set")
    assert found.verdict == "not measured"
    assert "EffOPD scored 9 models on one set" in found.finding  # three replicates, the weights and two candidates


@pytest.mark.parametrize(
    ("norm", "cosine", "expected"),
    [(3.0, 0.8, "reproduced"), (3.0, 0.95, "partly"), (1.0, 0.95, "not reproduced")],
)
def test_small_update_compares_norm_and_embeddings_with_rl(
    world: World, norm: float, cosine: float, expected: str
) -> None:
    world.run("rl", OPD, spectral=True, update={"total_update_norm": norm}, embedding_cosine=cosine)
    assert claim(world, "small_update").verdict == expected


def planted(world: World, name: str, rl: dict[str, float], opd: dict[str, float]) -> Claim:
    """The claim with accuracies of some interventions replaced, by experiment and its telling setting."""

    def accuracy(changes: dict[str, float], row: Row) -> float:
        telling = next(
            (row[key] for key in ("alpha", "beta", "extrapolation", "kind", "percent") if row[key] is not None), ""
        )
        place = "" if row["centre"] is None else f"@{row['centre']}"
        return changes.get(f"{row['experiment']} {telling}{place}".strip(), document(row))

    world.intervene("rl", lambda row: accuracy(rl, row), update_norm=4.0)
    for replicate in world.replicates:
        world.intervene(f"opd-{replicate}", lambda row: accuracy(opd, row))
    return claim(world, name)


@pytest.mark.parametrize(
    ("name", "rl", "opd", "expected", "said"),
    [
        ("signal_density", {}, {}, "reproduced", "+0.300 (interval"),  # at length 2: 1 against 0.7
        ("signal_density", {"alpha 0.5": 1.0}, {}, "not reproduced", "+0.000 (interval +0.000 to +0.000)"),
        ("signal_density", {}, {"alpha 0.5": 0.4}, "partly", "-0.075 (interval"),
        ("steeper", {}, {}, "reproduced", "is +0.150 (interval"),  # 0.3 over length 1 against 0.3 over 2
        ("steeper", {}, {"alpha 0.5": 0.45}, "partly", "is -0.100 (interval"),
        ("steeper", {}, {"alpha 0.5": 0.45, "alpha 1.0": 0.55}, "not reproduced", "-0.075 (interval"),
        ("mlp_over_attention", {}, {}, "reproduced", "OPD: MLP minus attention +0.300"),
        ("mlp_over_attention", {"modules attention": 0.8}, {}, "partly", "RL: MLP minus attention +0.000"),
        ("middle_layers", {}, {}, "reproduced", "OPD: middle half minus the rest +0.160"),
        ("middle_layers", {"window mlp@0": 1.0}, {"window mlp@3": 1.0}, "not reproduced", "most at layer 3 of 4"),
        ("same_sensitivity", {}, {}, "reproduced", "correlate at 1.00"),
        ("same_sensitivity", {f"window mlp@{i}": 0.42 for i in range(4)}, {}, "not reproduced", "correlate at"),
        ("embeddings", {}, {}, "reproduced", "RL: +0.000"),
        ("embeddings", {"embedding": 0.9}, {}, "partly", "RL: -0.100"),
        ("early_direction", {}, {}, "reproduced", "OPD's update at 10 % of training recovers 88 %"),
        ("early_direction", {}, {"rescaling 1.0": 0.6}, "partly", "33 % (interval"),
        ("early_direction", {}, {"rescaling 1.0": 0.5}, "not reproduced", "recovers 50 %"),
        ("beta", {}, {}, "reproduced", "0: 0.500, 0.5: 0.700, 0.75: 0.800, 0.9: 0.860, 1: 0.880, 1.1: 0.840, 1.25: 0"),
        ("beta", {}, {}, "reproduced", "against the best outside: +0.080 (interval +"),
        ("beta", {}, {"rescaling 1.0": 0.5}, "reproduced", "against the best outside: +0.060"),  # not at 1, but near it
        ("beta", {}, {"rescaling 0.75": 0.87}, "partly", "against the best outside: +0.010 (interval +0.000"),
        ("beta", {}, {"rescaling 0.75": 0.95}, "not reproduced", "against the best outside: -0.070"),
        ("beta", {}, {"rescaling 1.5": 0.9}, "not reproduced", "against the best outside: -0.020"),
        ("beta", {"rescaling 0.75": 0.95}, {}, "reproduced", "+0.080"),  # the document's range is OPD's
        (
            "overshoot",
            {},
            {},
            "reproduced",
            "Of 3 predictions of OPD's final weights, 1 overshot: linear from 10 % (-0.3",
        ),
        ("overshoot", {}, {}, "reproduced", "at 2.0 times the length); at step 8 EffOPD has 1.000 and OPD 0.400"),
        ("overshoot", {}, {"extrapolated relex": 0.3}, "reproduced", "2 overshot: linear"),
        ("overshoot", {}, {"extrapolated linear": 0.5}, "partly", "0 overshot; at"),  # AlphaOPD falls short
        ("leading_rank", {}, {}, "reproduced", "the leading 10 % keep 100 %"),
        ("leading_rank", {}, {"top 10.0": 0.9}, "partly", "keep 90 %"),
    ],
)
def test_claims_on_the_mechanism_follow_planted_accuracies(
    world: World, name: str, rl: dict[str, float], opd: dict[str, float], expected: str, said: str
) -> None:
    found = planted(world, name, rl, opd)
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


def test_overshooting_is_not_measured_without_predictions_or_without_effopd(world: World) -> None:
    found = planted(world, "overshoot", {}, {})
    assert found.figure == "extrapolation"
    world.run("effopd-0", EFFOPD[:4], steps=(0, 1, 2, 4), spectral=True, triggers=True)  # ends before step 8
    found = claim(world, "overshoot")
    assert found.verdict == "partly" and "EffOPD has no checkpoint at step 8" in found.finding
    world.run("effopd-0", (0.4, 0.4, 0.4, 0.4, 0.0), spectral=True, triggers=True)
    for replicate in (1, 2):
        world.run(f"effopd-{replicate}", (0.4, 0.4, 0.4, 0.4, 0.4), spectral=True, triggers=True)
    assert claim(world, "overshoot").verdict == "partly"  # EffOPD is behind
    results = world.read()
    found = next(one for one in claims(results, speedup(results, 0.95), 0.95, {}) if one.name == "overshoot")
    assert found.verdict == "not measured" and "Nothing was predicted" in found.finding


def test_the_periphery_is_compared_by_squared_norms(world: World) -> None:
    found = claim(world, "periphery")
    assert found.verdict == "reproduced"
    assert "50.0 % in OPD" in found.finding and "80.0 % in RL at 10 % of training" in found.finding  # 2² of 2² + 1²
    world.run("rl", OPD, spectral=True, matrix_norm=lambda row: 2.0 if row["layer"] == 0 and row["step"] == 64 else 1.0)
    assert claim(world, "periphery").verdict == "partly"  # at the end alone
    world.run("rl", OPD, spectral=True)
    assert claim(world, "periphery").verdict == "not reproduced"


@pytest.mark.parametrize(
    ("values", "is_told"),
    [
        ((0, 0.5, 1, 1.5), False),  # 1 alone in the range: any optimum near it would be in it
        ((0, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5), True),
        ((0, 0.75, 1, 1.25), False),
        ((0, 0.5, 0.9, 1, 1.1, 1.25), False),  # 0.75 may be better
        ((0, 0.75, 0.9, 1, 1.1, 1.5), False),
        ((0.7, 0.8, 1.2, 1.3), True),
        ((0, 1), False),
        ((), False),
    ],
)
def test_only_values_at_both_ends_of_a_range_tell_whether_the_best_is_in_it(
    values: tuple[float, ...], is_told: bool
) -> None:
    assert is_bracketed(values, (0.8, 1.2)) is is_told


def test_too_coarse_a_grid_gives_no_verdict_on_beta(world: World) -> None:
    results = world.read()
    coarse = {
        method: replace(
            one, replicates=tuple(tuple(row for row in run if row.beta not in (0.9, 1.1)) for run in one.replicates)
        )
        for method, one in apart(results).items()
    }
    found = {one.name: one for one in claims(results, speedup(results, 0.95), 0.95, coarse)}["beta"]
    assert found.verdict == "not measured" and "cannot tell where the best one lies" in found.finding


def test_fewer_components_than_claimed_are_told_of_and_not_judged(world: World) -> None:
    results = world.read()
    finer = {
        method: replace(
            one,
            replicates=tuple(
                (*run, *(replace(row, percent=1.0, scores=(0.0,) * row.n) for row in run if row.experiment == "top"))
                for run in one.replicates
            ),
        )
        for method, one in apart(results).items()
    }
    found = {one.name: one for one in claims(results, speedup(results, 0.95), 0.95, finer)}["leading_rank"]
    assert found.verdict == "reproduced" and "the leading 1 % keep 0 %" in found.finding


def test_nothing_is_claimed_of_shares_of_nothing(world: World) -> None:
    """A base that never succeeds, and a run that does not either."""
    world.intervene("rl", lambda row: 0.0)
    for replicate in world.replicates:
        world.intervene(f"opd-{replicate}", lambda row: 0.0)
    assert claim(world, "leading_rank").verdict == "not measured"
    assert claim(world, "early_direction").verdict == "not reproduced"
    assert claim(world, "same_sensitivity").verdict == "not measured"
    assert claim(world, "every_scale").verdict == "not testable at this scale"


AIME, GPQA = (Benchmarked("opd-0", name, 0.5, 0.4, 0.6, n, 8) for name, n in (("AIME 2024", 30), ("GPQA", 198)))


@pytest.mark.parametrize(
    ("parameters", "benchmarked", "expected", "said"),
    [
        (1234, [], "not testable at this scale", "of 1,234 parameters, below that range, was trained here"),
        (1234, [], "not testable at this scale", "tested on one set of 256 problems."),
        (1234, [AIME], "not testable at this scale", "256 problems and on 1 benchmark: AIME 2024 (30 problems)."),
        (4 * 10**9, [AIME, GPQA], "not measured", "of 4,000,000,000 parameters, within that range,"),
        (4 * 10**9, [AIME, GPQA], "not measured", "2 benchmarks: AIME 2024 (30 problems), GPQA (198 problems). One"),
        (70 * 10**9, [], "not testable at this scale", "above that range"),
        (None, [], "not measured", "One model of unknown size was trained here"),
    ],
)
def test_every_scale_names_the_size_and_the_benchmarks(
    world: World, parameters: int | None, benchmarked: list[Benchmarked], expected: str, said: str
) -> None:
    read = world.read()
    paths = read.paths and parameters and replace(read.paths, parameters=parameters)
    results = replace(read, paths=paths or None)
    *_, found = claims(results, speedup(results, 0.95), 0.95, apart(results), benchmarked)
    assert (found.name, found.verdict, said in found.finding) == ("every_scale", expected, True), found.finding
    assert found.figure == ("benchmarks" if benchmarked else "spectral_table")
