"""EffOPD inside the distillation loop: equivalences with plain OPD, triggers, common random numbers, the optimiser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from scipy.stats import binom
from tiny import EFFOPD, LENGTH, OPD, SEED, Lab, Trained, with_values
from torch import Tensor

from effopd.extrapolation import scores
from effopd.models.store import load_model
from effopd.rollout.sampler import sample
from effopd.seeding import derive_seed, uniforms
from effopd.trajectory.store import read_checkpoint, step_folder

SLOW = with_values(OPD, learning_rate=2e-3, steps=4)


def checkpoints(found: Trained) -> dict[int, dict[str, Tensor]]:
    return {step: read_checkpoint(found.folder, step) for step in (0, 1, 2, 4)}


def assert_same_training(first: Trained, second: Trained) -> None:
    """The same bytes of weights at every checkpoint, and the same logs but for what validation cost."""
    for step in (0, 1, 2, 4):
        files = [step_folder(run.folder, step) / "model.safetensors" for run in (first, second)]
        assert files[0].read_bytes() == files[1].read_bytes(), f"step {step}"
    for row, other in zip(first.metrics, second.metrics, strict=True):
        assert_same_but_for_costs(row, other)


def assert_same_but_for_costs(row: dict[str, Any], searching: dict[str, Any]) -> None:
    """A step's log, and that of the same step with a search on top of it."""
    for cost in ("sampled_tokens", "read_tokens", "student_flops"):
        assert row[cost] < searching[cost]
    assert row == searching | {cost: row[cost] for cost in ("sampled_tokens", "read_tokens", "student_flops")}


def impossible(patch: pytest.MonkeyPatch) -> None:
    """Every validation score is 0: no candidate beats another."""
    patch.setattr(scores, "score_all", lambda problems, texts: [0.0] * len(problems))


@pytest.mark.parametrize("optimizer", ["keep", "reset"])
def test_without_an_accepted_candidate_effopd_is_opd_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    impossible(monkeypatch)
    plain = Lab(tmp_path / "opd").opd(SLOW)
    found = Lab(tmp_path / "effopd").effopd(with_values(EFFOPD, accept=">", optimizer=optimizer), SLOW)
    assert [row["accepted"] for row in found.triggers] == [0, 0, 0]
    assert_same_training(plain, found)


def test_accepted_leaps_of_no_length_are_opd_bit_for_bit(tmp_path: Path) -> None:
    plain = Lab(tmp_path / "opd").opd(SLOW)
    found = Lab(tmp_path / "effopd").effopd(with_values(EFFOPD, multipliers=[0.0]), SLOW)
    assert [row["accepted"] for row in found.triggers] == [1, 1, 1]
    assert_same_training(plain, found)


def test_candidates_of_a_trigger_meet_the_same_random_numbers(tmp_path: Path) -> None:
    """Candidates that are the trained weights themselves score what these score, although sampling is random."""
    found = Lab(tmp_path).effopd(with_values(EFFOPD, multipliers=[0.0, 1e-30, 2e-30]), SLOW)
    for row in found.triggers:
        assert {candidate["score"] for candidate in row["candidates"]} == {row["score"]}
    assert any(0 < row["score"] < 1 for row in found.triggers)


def test_the_score_is_the_mean_accuracy_of_samples_of_the_validation_problems(tmp_path: Path) -> None:
    params = with_values(EFFOPD, multipliers=[0.0], samples=3, steps=4)
    found = Lab(tmp_path).effopd(params, SLOW)
    validation = [problem for problem in tiny.problems(4, seed=1) for _ in range(3)]
    for row in found.triggers:
        numbers_BT = uniforms(derive_seed(SEED, "validation", row["step"]), range(12), LENGTH)
        model = load_model(step_folder(found.folder, row["step"]))
        texts = sample(model, tiny.tokenizer(), [p.prompt for p in validation], LENGTH, numbers_BT).texts
        assert row["score"] == pytest.approx(sum(text.partition("#")[2] == "3" for text in texts) / 12)


def test_triggers_and_checkpoints_follow_the_powers_of_two(tmp_path: Path) -> None:
    found = Lab(tmp_path).effopd(with_values(EFFOPD, steps=9), SLOW)
    assert [(row["step"], row["n"]) for row in found.triggers] == [(1, 0), (2, 1), (4, 2), (8, 3)]


@pytest.mark.parametrize("anchor", ["accepted", "trained"])
@pytest.mark.parametrize("scope", ["all", "blocks"])
def test_training_goes_on_from_the_leap_and_checkpoints_hold_it(tmp_path: Path, anchor: str, scope: str) -> None:
    """W_1 + m (W_1 − W_0) after the first step; a second implementation repeats the leap on OPD's own W_1."""
    params = with_values(EFFOPD, multipliers=[0.5], anchor=anchor, scope=scope)
    plain, found = Lab(tmp_path / "opd").opd(SLOW), Lab(tmp_path / "effopd").effopd(params, SLOW)
    assert found.triggers[0]["accepted"] == 1
    initial, trained = (read_checkpoint(plain.folder, step) for step in (0, 1))
    for name, weight in read_checkpoint(found.folder, 1).items():
        moves = scope == "all" or "self_attn" in name or "mlp" in name
        expected = trained[name] + 0.5 * (trained[name] - initial[name]) if moves else trained[name]
        torch.testing.assert_close(weight, expected, atol=1e-7, rtol=1e-6)
    assert_same_but_for_costs(plain.metrics[0], found.metrics[0])
    assert found.metrics[1]["loss"] != plain.metrics[1]["loss"]


def moment_steps(found: Trained) -> set[float]:
    return {float(t) for name, t in found.engine.state().items() if name.startswith("optimizer/step/")}


@pytest.mark.parametrize(
    ("optimizer", "multipliers", "accept", "expected"),
    [
        ("keep", [0.0], ">=", {3.0}),
        ("reset", [0.0], ">=", {1.0}),  # forgotten at step 2
        ("reset", [0.0], ">", {3.0}),  # nothing was accepted
    ],
)
def test_moments_are_forgotten_after_an_accepted_leap_and_only_when_asked(
    tmp_path: Path, optimizer: str, multipliers: list[float], accept: str, expected: set[float]
) -> None:
    params = with_values(EFFOPD, steps=3, multipliers=multipliers, optimizer=optimizer, accept=accept)
    assert moment_steps(Lab(tmp_path).effopd(params, SLOW)) == expected


def test_validation_is_counted_in_tokens_and_seconds(tmp_path: Path) -> None:
    found = Lab(tmp_path).effopd(EFFOPD, SLOW)
    spent = {row["step"]: row["sampled_tokens"] for row in found.triggers}
    total = 0
    for row in found.metrics:
        total += row["tokens"] + spent.get(row["step"], 0)
        assert row["sampled_tokens"] == total
    assert min(spent.values()) >= 2 * 4 * EFFOPD.samples, "two rounds of one token each at the least"
    (file,) = (tmp_path / "costs").iterdir()
    timing = {row["step"]: row for row in tiny.read_jsonl(file)}
    for step in (1, 2, 4):
        assert 0 < timing[step]["search_seconds"] < timing[step]["seconds"]
        assert 0 < timing[step]["search_cpu_seconds"] < timing[step]["cpu_seconds"]
    assert "search_seconds" not in timing[3]


def test_seeds_change_validation_from_trigger_to_trigger(tmp_path: Path) -> None:
    """A student that hardly changes scores differently at different triggers, or D_v's noise would be frozen."""
    still = with_values(OPD, learning_rate=1e-7, steps=8)
    params = with_values(EFFOPD, multipliers=[0.0], steps=8, samples=3)
    lab = Lab(tmp_path, optimizer=with_values(tiny.OPTIMIZER, weight_decay=0.0))
    assert len({row["score"] for row in lab.effopd(params, still).triggers}) > 1


@pytest.mark.parametrize(("direction", "helps"), [("update", True), ("random", False)])
def test_leaps_along_the_update_are_accepted_and_along_a_random_direction_no_more_often_than_chance_allows(
    tmp_path: Path, direction: str, helps: bool
) -> None:
    """Short ways in a random direction raise a smooth score as often as they lower it, and what is curved makes it
    worse: of n triggers with one candidate each, no more than a fair coin's are accepted."""
    params = with_values(
        EFFOPD, direction=direction, score="teacher_kl", accept=">", triggers=1, multipliers=[0.5], steps=60
    )
    found = Lab(tmp_path).effopd(params, with_values(OPD, learning_rate=1e-3))
    accepted = sum(row["accepted"] for row in found.triggers)
    assert len(found.triggers) == 60
    assert (accepted > binom.ppf(0.999, 60, 0.5)) == helps
