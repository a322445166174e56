"""Claims on parts of the update: planted accuracies of interventions give each verdict."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from planted_world import EFFOPD, OPD, Row, World, claim, document, evidence, judged

from effopd.findings.comparisons import Judged
from effopd.findings.evidence import Evidence, is_bracketed
from effopd.findings.results import Intervened


def planted(world: World, name: str, rl: dict[str, float], opd: dict[str, float]) -> Judged:
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
        ("steeper", {}, {}, "reproduced", ": +0.150 (interval"),  # 0.3 over length 1 against 0.3 over 2
        ("steeper", {}, {"alpha 0.5": 0.45}, "partly", ": -0.100 (interval"),
        ("steeper", {}, {"alpha 0.5": 0.45, "alpha 1.0": 0.55}, "not reproduced", "-0.075 (interval"),
        ("mlp_over_attention", {}, {}, "reproduced", "(at lengths 4 and 4), +0.300 (interval"),
        ("mlp_over_attention", {"modules attention": 0.8}, {}, "partly", "+0.000 (interval +0.000 to +0.000) in RL"),
        ("middle_layers", {}, {}, "reproduced", "minus the rest: +0.160 (interval"),
        ("middle_layers", {}, {}, "reproduced", "in OPD (most at layer 1 of 4)"),
        ("middle_layers", {"window mlp@0": 1.0}, {"window mlp@3": 1.0}, "not reproduced", "most at layer 3 of 4"),
        ("same_sensitivity", {}, {}, "reproduced", "windows: 1.00 (interval"),
        ("same_sensitivity", {f"window mlp@{i}": 0.42 for i in range(4)}, {}, "not reproduced", "windows: "),
        ("embeddings", {}, {}, "reproduced", "+0.000 (interval +0.000 to +0.000) in RL"),
        ("embeddings", {"embedding": 0.9}, {}, "partly", "-0.100 (interval"),
        ("early_direction", {}, {}, "reproduced", "it recovers: 88 %"),
        ("early_direction", {}, {"rescaling 1.0": 0.6}, "partly", "33 % (interval"),
        ("early_direction", {}, {"rescaling 1.0": 0.5}, "not reproduced", "it recovers: 50 %"),
        (
            "beta",
            {},
            {},
            "reproduced",
            "0.500 at 0, 0.700 at 0.5, 0.800 at 0.75, 0.860 at 0.9, 0.880 at 1, 0.840 at 1.1",
        ),
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
            "that overshot: 1 of 3: linear from 10 % at 2.0 times the length, -0.300 (interval",
        ),
        ("overshoot", {}, {}, "reproduced", "EffOPD against OPD: 1.000 against 0.400 at step 8."),
        ("overshoot", {}, {"extrapolated relex": 0.3}, "reproduced", "2 of 3: linear"),
        ("overshoot", {}, {"extrapolated linear": 0.5}, "partly", "overshot: 0 of 3."),  # AlphaOPD falls short
        ("leading_rank", {}, {}, "reproduced", "kept: 100 % (interval 100 % to 100 %) in RL by 10 %"),
        ("leading_rank", {}, {"top 10.0": 0.9}, "partly", "90 % (interval"),
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
    assert found.verdict == "partly" and "EffOPD against OPD: no checkpoint at step 8" in found.finding
    world.run("effopd-0", (0.4, 0.4, 0.4, 0.4, 0.0), spectral=True, triggers=True)
    for replicate in (1, 2):
        world.run(f"effopd-{replicate}", (0.4, 0.4, 0.4, 0.4, 0.4), spectral=True, triggers=True)
    assert claim(world, "overshoot").verdict == "partly"  # EffOPD is behind
    shutil.rmtree(world.root / "reports/interventions")
    found = claim(world, "overshoot")
    assert found.verdict == "not measured" and "overshot: not measured" in found.finding


def test_the_periphery_is_compared_by_squared_norms(world: World) -> None:
    found = claim(world, "periphery")
    assert found.verdict == "reproduced"
    assert "at 10 % of training: 50.0 % (50.0–50.0 %) in OPD, 80.0 % in RL" in found.finding  # 2² of 2² + 1²
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


def changed(world: World, change: Callable[[Sequence[Intervened]], Sequence[Intervened]]) -> Evidence:
    """With other interventions on each run that was taken apart."""
    results = world.read()
    runs = tuple(replace(run, interventions=tuple(change(run.interventions))) for run in results.runs)
    return evidence(replace(results, runs=runs))


def test_too_coarse_a_grid_gives_no_verdict_on_beta(world: World) -> None:
    found = judged(changed(world, lambda rows: [row for row in rows if row.beta not in (0.9, 1.1)]), "beta")
    assert found.verdict == "not measured" and "that takes values within 0.1 of 0.8 and of 1.2" in found.finding


def test_fewer_components_than_claimed_are_told_of_and_not_judged(world: World) -> None:
    def finer(rows: Sequence[Intervened]) -> Sequence[Intervened]:
        top = [replace(row, percent=1.0, scores=(0.0,) * row.n) for row in rows if row.experiment == "top"]
        return [*rows, *top]

    found = judged(changed(world, finer), "leading_rank")
    assert found.verdict == "reproduced" and "Kept by fewer: 0 % (interval 0 % to 0 %) in RL by 1 %" in found.finding


def test_nothing_is_claimed_of_shares_of_nothing(world: World) -> None:
    """A base that never succeeds, and a run that does not either."""
    world.intervene("rl", lambda row: 0.0)
    for replicate in world.replicates:
        world.intervene(f"opd-{replicate}", lambda row: 0.0)
    assert claim(world, "leading_rank").verdict == "not measured"
    assert claim(world, "early_direction").verdict == "not reproduced"
    assert claim(world, "same_sensitivity").verdict == "not measured"
    assert claim(world, "every_scale").verdict == "not testable at this scale"
