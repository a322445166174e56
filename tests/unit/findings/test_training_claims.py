"""Claims on how soon and how high runs come: RL against OPD, and the price of leaps."""

from __future__ import annotations

import shutil

import pytest
from planted_world import EFFOPD, OPD, World, claim, document, write_jsonl

SLOW = (0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.9)
"""Meets 95 % of its end 0.91 octaves past step 32: at 60.1."""


@pytest.mark.parametrize(
    ("rl", "slowest", "expected", "said"),
    [
        (SLOW, OPD, "reproduced", "54 (54–54) in OPD, 60 in RL"),
        (OPD, SLOW, "not reproduced", "54 (54–60) in OPD, 54 in RL"),  # the others are level with RL
        ((0.4, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0), OPD, "not reproduced", "in OPD, 1 in RL"),
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
        ((20, 10, 10, 10), "reproduced", "538 (538–538) in OPD, 1,076 in RL"),
        ((20, 10, 10, 40), "partly", "538 (538–2,153) in OPD"),
        ((5, 10, 10, 10), "not reproduced", "269 in RL"),
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
        (0.9, 0.9, "reproduced", "OPD minus RL, scored with the same random numbers: +0.100 (interval +"),
        (0.9, 1.0, "partly", "random numbers: +0.000 (interval +0.000 to +0.000)"),
        (1.0, 1.0, "not reproduced", "1.000 (interval 0.980 to 1.020) in RL, 1.000 (interval 0.980 to 1.020) in OPD"),
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
    assert found.verdict == "partly" and "random numbers: not measured" in found.finding


@pytest.mark.parametrize(
    ("ends", "expected", "said"),
    [
        ((1.0, 0.985, 1.0), "reproduced", "+0.000 (1.000 against 1.000), -0.015 (0.985 against 1.000), +0.000 (1.000"),
        ((1.0, 0.97, 1.0), "partly", "-0.030 (0.970 against 1.000)"),
        (
            (0.9, 0.9, 0.9),
            "not reproduced",
            "1.000 (interval 0.980 to 1.020) in OPD (replicates 1.000–1.000), 0.900 (interval 0.880 to 0.920)",
        ),
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
        ((0.9, 0.85, 0.9), "partly", "(0.832 against 0.826), -0.010 (0.816 against 0.826)"),
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
        f"{', '.join(f'{accuracy:.3f}' for accuracy in at_4)}. Half of the base's errors are left at: 0.700"
        in found.finding
    )


@pytest.mark.parametrize(
    ("searches", "validation", "expected", "said"),
    [
        (4, 4.0, "reproduced", "4 in 8 steps with 8 candidates, 4 in 8 steps with 8 candidates, 4"),  # 1 + log₂ 8
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
        world.run(f"effopd-{replicate}", EFFOPD, triggers=True, searching=validation)
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


START = (1.0, 1.0, 0.5, 0.5, 0.0, 0.0)
"""Success on two easy prompts, two medium ones and two hard ones."""


@pytest.mark.parametrize(
    ("first", "second", "expected", "said"),
    [
        # The first leap helps on hard prompts and is kept; of the second only the medium ones know that it harms.
        (
            (1.0, 1.0, 0.5, 0.5, 0.5, 0.5), (1.0, 1.0, 0.0, 0.0, 0.5, 0.5), "partly",
            "0 % of 3 searches by the easiest, 3 of them with a tie, 100 % of 3 searches by the middle, "
            "3 of them with a tie, 0 % of 3 searches by the hardest, 3 of them with a tie",
        ),
        (
            (1.0, 1.0, 1.0, 1.0, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5, 0.0, 0.0), "reproduced",
            "100 % of 3 searches by the easiest",
        ),
    ],
)  # fmt: skip
def test_thirds_of_the_validation_prompts_decide_by_their_own_scores(
    world: World, first: tuple[float, ...], second: tuple[float, ...], expected: str, said: str
) -> None:
    def scored(by_problem: tuple[float, ...]) -> dict[str, object]:
        return {"score": sum(by_problem) / len(by_problem), "by_problem": by_problem}

    candidates = [{"k": 1, "multiplier": 2.0, **scored(first)}, {"k": 2, "multiplier": 4.0, **scored(second)}]
    trigger = {"step": 1, "update": 1, "learning_rate": 1e-4, "accepted": 1, **scored(START), "candidates": candidates}
    for replicate in world.replicates:
        write_jsonl(world.root / f"models/effopd-{replicate}/triggers.jsonl", [trigger])
    found = claim(world, "validation_set")
    assert (found.verdict, said in found.finding) == (expected, True), found.finding


def test_nothing_is_said_of_thirds_where_scores_by_prompt_were_not_kept(world: World) -> None:
    trigger = {"step": 1, "update": 1, "learning_rate": 1e-4, "score": 0.5, "candidates": [], "accepted": 0}
    for replicate in world.replicates:
        write_jsonl(world.root / f"models/effopd-{replicate}/triggers.jsonl", [trigger])
    assert claim(world, "validation_set").verdict == "not measured"
