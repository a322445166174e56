"""EffOPD's search on scripted scores, against a second implementation and against descent on a quadratic."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import pytest
import tiny
import torch
from torch import Tensor

from effopd.extrapolation.effopd import EffOPD
from effopd.extrapolation.line import is_block
from effopd.extrapolation.search import Candidate, Decision, Score
from effopd.params.effopd import EffOPDParams
from effopd.trajectory.schedule import is_trigger

Weights = dict[str, Tensor]
ATTENTION, MLP = "model.layers.0.self_attn.q_proj.weight", "model.layers.0.mlp.up_proj.weight"
OTHERS = ("model.embed_tokens.weight", "model.layers.0.input_layernorm.weight", "model.norm.weight", "lm_head.weight")
NAMES = (ATTENTION, MLP, *OTHERS)


def weights(seed: int) -> Weights:
    """Multiples of 1/64 below 1: sums and products with small integers are exact in float32."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randint(-63, 64, (3, 4), generator=generator) / 64 for name in NAMES}


def clone(source: Weights) -> Weights:
    return {name: tensor.clone() for name, tensor in source.items()}


def same_bits(first: Weights, second: Weights) -> bool:
    return all(first[name].view(torch.int32).equal(second[name].view(torch.int32)) for name in first)


class Script:
    """Scores to be given out one by one; remembers the weights that each was given to."""

    def __init__(self, live: Weights, scores: Sequence[float]) -> None:
        self.live, self.scores, self.seen = live, list(scores), list[Weights]()

    def __call__(self) -> Score:
        self.seen.append(clone(self.live))
        return Score(self.scores[len(self.seen) - 1])


def params(**values: object) -> EffOPDParams:
    return tiny.with_values(tiny.EFFOPD, **{"multipliers": [2.0, 4.0, 8.0, 16.0, 32.0]} | values)


def moved(trained: Weights, anchor: Weights, multiplier: float, names: Sequence[str] = NAMES) -> Weights:
    return {
        name: trained[name] + multiplier * (trained[name] - anchor[name]) if name in names else trained[name]
        for name in trained
    }


def at_first_trigger(scores: Sequence[float], **values: object) -> tuple[Decision, Weights, Weights, Script]:
    """One trigger on scripted scores: what it reports, W_0, W_1, and what was scored; the script holds the result."""
    initial, trained = weights(0), weights(1)
    live = clone(trained)
    search = EffOPD(params(**values), initial)
    script = Script(live, scores)
    return search.extrapolate(live, script), initial, trained, script


@pytest.mark.parametrize("accept", [">=", ">"])
def test_acceptance_follows_the_rule_for_every_order_of_scores(accept: str) -> None:
    for scores in itertools.product([0.4, 0.5, 0.6], repeat=4):
        accepted, best, tried = 0, scores[0], 0
        for k in (1, 2, 3):  # METHOD: raise the best while candidates hold, else stop
            tried = k
            if scores[k] < best or (accept == ">" and scores[k] == best):
                break
            accepted, best = k, scores[k]
        trigger, initial, trained, script = at_first_trigger(scores, accept=accept, multipliers=[2.0, 4.0, 8.0])
        assert trigger.accepted == accepted
        assert trigger.score == Score(scores[0])
        assert trigger.candidates == tuple(Candidate(k, 2.0**k, Score(scores[k])) for k in range(1, tried + 1))
        assert len(script.seen) == tried + 1, "nothing is scored after the first failure"
        expected = moved(trained, initial, 2.0**accepted) if accepted else trained
        assert same_bits(script.live, expected)


@pytest.mark.parametrize("multipliers", [[2.0, 4.0, 8.0, 16.0, 32.0], [2.0, 4.0, 6.0, 8.0, 10.0], [3.0, 1.0], [0.5]])
def test_candidates_start_from_one_snapshot_and_are_never_chained(multipliers: list[float]) -> None:
    scores = [0.1 * i for i in range(len(multipliers) + 1)]
    trigger, initial, trained, script = at_first_trigger(scores, multipliers=multipliers)
    assert same_bits(script.seen[0], trained), "the trained weights are scored first"
    for multiplier, seen in zip(multipliers, script.seen[1:], strict=True):
        assert same_bits(seen, moved(trained, initial, multiplier))
    assert trigger.accepted == len(multipliers)
    assert same_bits(script.live, moved(trained, initial, multipliers[-1]))


def test_the_best_candidate_is_kept_although_a_later_one_was_tried_last() -> None:
    trigger, initial, trained, script = at_first_trigger([0.5, 0.6, 0.7, 0.65])
    assert trigger.accepted == 2
    assert same_bits(script.live, moved(trained, initial, 4.0))


def test_a_candidate_is_compared_with_the_best_so_far_and_not_with_the_start() -> None:
    trigger, *_ = at_first_trigger([0.2, 0.9, 0.5])
    assert trigger.accepted == 1 and len(trigger.candidates) == 2


@pytest.mark.parametrize(("without_signal", "accepted"), [("stay", 0), ("leap", 5)])
def test_equal_scores_of_all_candidates_are_no_reason_to_leap(without_signal: str, accepted: int) -> None:
    decision, _, trained, script = at_first_trigger([0.0] * 6, without_signal=without_signal)
    assert decision.without_signal and decision.accepted == accepted
    assert same_bits(script.live, trained) == (accepted == 0)


@pytest.mark.parametrize("scores", [[0.5, 0.5, 0.5, 0.4], [0.0, 0.0, 0.0, 0.0, 0.0, 0.25]])
def test_one_score_that_differs_is_a_signal(scores: list[float]) -> None:
    decision, *_ = at_first_trigger(scores, without_signal="stay")
    assert not decision.without_signal and decision.accepted == len(scores) - (2 if scores[0] else 1)


def test_a_reject_restores_every_bit() -> None:
    initial, trained = weights(0), weights(1)
    trained[MLP][0] = torch.tensor([-0.0, 1e-42, 1e-30, 3.4e38])  # adding and subtracting loses all four
    live = clone(trained)
    addresses = {name: tensor.data_ptr() for name, tensor in live.items()}
    trigger = EffOPD(params(), initial).extrapolate(live, Script(live, [0.5, 0.4]))
    assert trigger.accepted == 0
    assert same_bits(live, trained)
    assert {name: tensor.data_ptr() for name, tensor in live.items()} == addresses, "the live tensors, in place"


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("accept", [">=", ">"])
def test_a_score_that_is_not_finite_fails(score: float, accept: str) -> None:
    trigger, initial, trained, script = at_first_trigger([0.5, 0.6, score], accept=accept)
    assert trigger.accepted == 1
    assert trigger.candidates[-1].score is None and len(trigger.candidates) == 2
    assert same_bits(script.live, moved(trained, initial, 2.0))


def test_weights_that_are_not_finite_fail_without_being_scored() -> None:
    initial, trained = weights(0), weights(1)
    initial["lm_head.weight"][1, 1], trained["lm_head.weight"][1, 1] = 0.0, 1e38  # m = 4 overflows
    live = clone(trained)
    script = Script(live, [0.5, 0.6, 0.9])
    trigger = EffOPD(params(), initial).extrapolate(live, script)
    assert (trigger.accepted, trigger.candidates[1].score, len(script.seen)) == (1, None, 2)
    assert all(tensor.isfinite().all() for tensor in live.values())


def test_multipliers_of_zero_leave_identical_weights() -> None:
    trigger, _, trained, script = at_first_trigger([0.5, 0.5], multipliers=[0.0])
    assert trigger.accepted == 1
    assert same_bits(script.live, trained)


def test_scope_blocks_moves_attention_and_mlp_alone() -> None:
    _, initial, trained, script = at_first_trigger([0.5, 0.6, 0.1], scope="blocks")
    expected = moved(trained, initial, 2.0, (ATTENTION, MLP))
    assert same_bits(script.live, expected)
    assert same_bits(script.seen[2], moved(trained, initial, 4.0, (ATTENTION, MLP)))


def test_blocks_are_the_attention_and_mlp_parameters_of_a_real_model() -> None:
    names = [name for name, _ in tiny.model(layers=2).named_parameters()]
    others = {name for name in names if not is_block(name)}
    norms = {f"model.layers.{i}.{kind}_layernorm.weight" for i in (0, 1) for kind in ("input", "post_attention")}
    assert others == norms | {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"}


@pytest.mark.parametrize("anchor", ["accepted", "trained"])
@pytest.mark.parametrize("is_accepted", [True, False])
def test_the_second_direction_starts_where_the_anchor_says(anchor: str, is_accepted: bool) -> None:
    """Δ_1 = W_2 − W_1, where W_1 is what training went on from (accepted) or what it had arrived at (trained)."""
    initial, first, update = weights(0), weights(1), weights(2)
    live = clone(first)
    search = EffOPD(params(anchor=anchor, multipliers=[2.0]), initial)
    search.extrapolate(live, Script(live, [0.5, 0.6 if is_accepted else 0.4]))
    resumed = moved(first, initial, 2.0) if is_accepted else first
    assert same_bits(live, resumed)
    for name, tensor in live.items():
        tensor.add_(update[name])
    second = clone(live)
    script = Script(live, [0.5, 0.9])
    search.extrapolate(live, script)
    start = resumed if anchor == "accepted" else first
    assert same_bits(script.seen[1], moved(second, start, 2.0))


def test_an_anchor_of_scope_blocks_still_follows_every_parameter() -> None:
    """A resumed run reads all of it back; what the scope leaves out must not fall behind."""
    initial, trained = weights(0), weights(1)
    live = clone(trained)
    search = EffOPD(params(scope="blocks"), initial)
    search.extrapolate(live, Script(live, [0.5, 0.4]))
    assert same_bits(search.anchor, trained)


def test_the_anchor_is_a_copy_that_training_does_not_move() -> None:
    live = weights(0)
    search = EffOPD(params(), live)
    before = clone(live)
    live[MLP].add_(1.0)
    assert same_bits(search.anchor, before)


def test_triggers_are_the_powers_of_two() -> None:
    assert [step for step in range(70) if is_trigger(step)] == [1, 2, 4, 8, 16, 32, 64]


EIGENVALUES = torch.tensor([1.0, 0.3, 0.05, 0.01], dtype=torch.float64)
RATE = 0.4


def quadratic() -> tuple[Tensor, Tensor]:
    """Eigenvectors u_i as columns (4, 4) and b of the loss ½ θᵀHθ − bᵀθ."""
    generator = torch.Generator().manual_seed(4)
    basis = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))[0]
    return basis, torch.randn(4, generator=generator, dtype=torch.float64)


def solution(steps: int, start: Tensor | None = None) -> Tensor:
    """θ after `steps` of descent: from 0, Σ_i (1 − (1 − ηλ_i)^s) / λ_i ⟨b, u_i⟩ u_i."""
    basis, b = quadratic()
    decay = (1 - RATE * EIGENVALUES) ** steps
    moved_by_b = basis @ ((1 - decay) / EIGENVALUES * (basis.T @ b))
    return moved_by_b if start is None else moved_by_b + basis @ (decay * (basis.T @ start))


def loss(theta: Tensor) -> float:
    basis, b = quadratic()
    return float(0.5 * theta @ (basis * EIGENVALUES) @ basis.T @ theta - b @ theta)


def descend(live: Tensor) -> None:
    basis, b = quadratic()
    live.sub_(RATE * ((basis * EIGENVALUES) @ basis.T @ live - b))


def score_by_loss(live: Tensor) -> Callable[[], Score]:
    return lambda: Score(-loss(live))


def test_on_a_quadratic_directions_leaps_and_overshoot_are_those_of_the_closed_form() -> None:
    live = torch.zeros(4, dtype=torch.float64)
    named = {"theta": live}
    search = EffOPD(params(), named)
    start, start_step = torch.zeros(4, dtype=torch.float64), 0
    accepted_at = []
    for step in range(1, 17):
        descend(live)
        if not is_trigger(step):
            continue
        arrived = solution(step - start_step, start)
        torch.testing.assert_close(live, arrived, atol=1e-12, rtol=1e-12)
        leaps = [arrived + m * (arrived - start) for m in (2, 4, 8, 16, 32)]
        losses = [loss(arrived), *map(loss, leaps)]
        expected = next((k for k in range(1, 6) if losses[k] > losses[k - 1]), 6) - 1  # the first overshoot
        trigger = search.extrapolate(named, score_by_loss(live))
        assert trigger.accepted == expected
        found = [c.score.value for c in trigger.candidates if c.score]
        assert found == pytest.approx([-x for x in losses[1 : expected + 2]])
        start, start_step = (leaps[expected - 1] if expected else arrived), step
        torch.testing.assert_close(live, start, atol=1e-12, rtol=1e-12)
        accepted_at.append(expected)
    assert max(accepted_at) >= 2 and min(accepted_at) < 5, "leaps and overshoots both happen"
    assert loss(live) < loss(solution(16)), "extrapolation was worth its while"


@pytest.mark.parametrize("anchor", ["accepted", "trained"])
def test_with_factors_the_merged_update_leaps_and_lands_in_the_weights_beside_them(anchor: str) -> None:
    """W + P is what the model computes with, and P changes between triggers alone."""
    frozen, first_product, second_product = weights(0), weights(1), weights(2)
    live = clone(frozen)
    search = EffOPD(params(multipliers=[2.0, 4.0], anchor=anchor), frozen)
    assert search.extrapolate(live, Script(live, [0.5, 0.6, 0.4]), products=first_product).accepted == 1
    assert same_bits(live, {name: frozen[name] + 2 * first_product[name] for name in NAMES})
    behind = {name: frozen[name] + (3 if anchor == "accepted" else 1) * first_product[name] for name in NAMES}
    assert same_bits(search.anchor, behind)

    start = clone(live)
    assert search.extrapolate(live, Script(live, [0.5, 0.4]), products=second_product).accepted == 0
    assert same_bits(live, start), "restored bit for bit"
    trained = {name: start[name] + second_product[name] for name in NAMES}
    assert same_bits(search.anchor, trained)
    script = Script(live, [0.5, 0.6, 0.4])
    third_product = weights(3)
    search.extrapolate(live, script, products=third_product)
    expected = {n: start[n] + 2 * (start[n] + third_product[n] - trained[n]) for n in NAMES}
    assert same_bits(script.seen[1], expected) and same_bits(live, expected)
