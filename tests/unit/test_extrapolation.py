"""What the search may do beyond the paper's: go back, follow with the rate, leap at random, score by the teacher."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from statistics import fmean

import pytest
import tiny
import torch
from test_effopd import NAMES, Script, clone, moved, params, same_bits, weights
from tiny import EFFOPD, OPD, Lab, with_values

from effopd.extrapolation.effopd import EffOPD
from effopd.extrapolation.line import Line
from effopd.extrapolation.rate import next_scale
from effopd.extrapolation.scores import teacher_kl
from effopd.extrapolation.search import Candidate, Decision, Score, search
from effopd.extrapolation.searches import Searches
from effopd.models.store import load_model
from effopd.rollout.sampler import sample
from effopd.seeding import derive_seed, uniforms
from effopd.teachers.local import LocalTeacher
from effopd.train.engine import TorchEngine
from effopd.train.judgement import Top
from effopd.train.objective import Judged
from effopd.trajectory.store import read_checkpoint, step_folder

FREE = with_values(
    EFFOPD, triggers=1, multipliers=[1.0, 3.0, 7.0, -0.5], score="teacher_kl", rate="follow", accept=">=", steps=4
)


class Points:
    """A line of which only the place is known."""

    def __init__(self) -> None:
        self.at = 0.0

    def go(self, multiplier: float) -> None:
        self.at = multiplier

    def stay(self) -> None:
        self.at = 0.0


def decided(values: dict[float, float | None], multipliers: list[float], **options: float) -> tuple[Decision, float]:
    """What a search finds where each place has a value, and where it ends."""
    points = Points()

    def score() -> Score | None:
        value = values[points.at]
        return None if value is None else Score(value)

    return search(points, multipliers, score, lambda one, best: one >= best, **options), points.at


def test_places_behind_are_tried_only_where_none_ahead_was_kept_for_every_order_of_scores() -> None:
    multipliers = [1.0, -0.5, 3.0, -0.75]
    for scores in itertools.product([0.0, 1.0, 2.0], repeat=4):
        values: dict[float, float | None] = {0.0: 1.0, **dict(zip(multipliers, scores, strict=True))}
        kept, tried = 0.0, []
        for ahead in ([1.0, 3.0], [-0.5, -0.75]):
            best = 1.0
            for place in ahead:
                tried.append(place)
                if (values[place] or 0.0) < best:
                    break
                kept, best = place, values[place] or 0.0
            if kept:
                break
        found, at = decided(values, multipliers)
        assert at == kept and [c.multiplier for c in found.candidates] == tried
        assert found.accepted == (multipliers.index(kept) + 1 if kept else 0)


def test_a_search_without_a_score_to_beat_tries_nothing() -> None:
    assert decided({0.0: None, 1.0: 5.0}, [1.0]) == (Decision(None, (), 0), 0.0)


def test_a_candidate_that_the_samples_say_little_about_fails_however_well_it_scores() -> None:
    points = Points()
    shares = {0.0: 1.0, 1.0: 0.5, 3.0: 0.24}

    def score() -> Score:
        return Score(points.at, shares[points.at])

    found = search(points, [1.0, 3.0], score, lambda one, best: one >= best, least_effective=0.25)
    assert (found.accepted, points.at) == (1, 1.0)
    assert found.candidates == (Candidate(1, 1.0, Score(1.0, 0.5)), Candidate(2, 3.0, Score(3.0, 0.24)))


def test_going_back_by_half_lands_between_anchor_and_trained_weights() -> None:
    initial, trained = weights(0), weights(1)
    live = clone(trained)
    found = EffOPD(params(multipliers=[1.0, -0.5]), initial).extrapolate(live, Script(live, [0.5, 0.4, 0.6]))
    assert found.accepted == 2
    assert same_bits(live, {name: (initial[name] + trained[name]) / 2 for name in NAMES})


def test_a_random_direction_has_the_length_of_the_update_in_every_tensor_and_another_way() -> None:
    initial, trained = weights(0), weights(1)
    live = clone(trained)
    line = Line(live, None, initial, random=3)
    line.go(2.0)
    leap = {name: live[name] - trained[name] for name in NAMES}
    for name in NAMES:
        update = trained[name] - initial[name]
        assert leap[name].norm().item() == pytest.approx(2 * update.norm().item(), rel=1e-5)
        assert abs(torch.cosine_similarity(leap[name].flatten(), update.flatten(), dim=0)) < 0.9
    again = clone(trained)
    Line(again, None, initial, random=3).go(2.0)
    assert same_bits(again, live), "the same for all candidates of a trigger, and for a resumed run"
    other = clone(trained)
    Line(other, None, initial, random=4).go(2.0)
    assert not same_bits(other, live)


def test_a_random_direction_of_zeros_goes_nowhere() -> None:
    initial = weights(0)
    live = clone(initial)
    Line(live, None, initial, random=3).go(8.0)
    assert same_bits(live, initial)


@pytest.mark.parametrize(
    ("multiplier", "expected"), [(None, 0.5), (3.0, 4.0), (-0.5, 0.5), (0.0, 1.0), (1e6, 1000.0), (-0.9999999, 0.01)]
)
def test_the_rate_follows_the_leap_that_was_kept_and_stays_in_bounds(multiplier: float | None, expected: float) -> None:
    bounded = with_values(FREE, lowest_rate=1e-6, highest_rate=0.1)
    assert next_scale(1.0, multiplier, bounded, base=1e-4) == pytest.approx(expected)
    assert next_scale(2.0, multiplier, with_values(bounded, rate="keep"), base=1e-4) == 2.0


# Scores by the teacher


def judged(teacher: LocalTeacher, count: int = 6) -> Judged:
    prompts = [problem.prompt for problem in tiny.problems(count)]
    drawn = sample(tiny.guesser(), tiny.tokenizer(), prompts, 6, uniforms(3, range(count), 6))
    return Judged(drawn, teacher.judge(drawn, [""] * count, 0), drawn.logprobs_BT)


def enumerated(piece: Judged, model: object, keep: int | None) -> float:
    """−mean KL(π_W ‖ π_T) in float64, text by text; keep: the likeliest tokens told apart, all others being one."""
    student, teacher = tiny.double(model), tiny.double(tiny.guesser(9, 1))  # type: ignore[arg-type]
    each = []
    rollout = piece.rollout
    for b in range(len(rollout.texts)):
        prompt = rollout.prompts_BP[b][rollout.prompt_mask_BP[b].bool()].tolist()
        tokens = rollout.tokens_BT[b][rollout.mask_BT[b].bool()].tolist()
        p_TV, q_TV = (tiny.distributions(m, prompt + tokens, len(prompt)).exp() for m in (student, teacher))
        for p_V, q_V, token in zip(p_TV, q_TV, tokens, strict=True):
            told = [token] if keep == 0 else q_V.argsort(descending=True)[:keep].tolist()
            pairs = [(p_V[v].item(), q_V[v].item()) for v in told]
            if len(told) < len(p_V):
                pairs.append((1 - sum(p for p, _ in pairs), 1 - sum(q for _, q in pairs)))
            each.append(sum(p * math.log(p / q) for p, q in pairs))
    return -fmean(each)


@pytest.mark.parametrize("top_k", [0, 3, -1])
@pytest.mark.parametrize("chunk", [0, 4])
def test_the_teachers_score_is_minus_the_mean_divergence_by_enumeration(top_k: int, chunk: int) -> None:
    piece = judged(LocalTeacher(tiny.guesser(9, 1), top_k))
    other = tiny.guesser(1, 3)
    found, costs = teacher_kl(TorchEngine(other, tiny.OPTIMIZER, 1e-3), [piece.first(0.5), piece.first(0.3)], chunk)
    parts = [piece.first(0.5), piece.first(0.3)]
    sizes = [int(part.rollout.mask_BT.sum()) for part in parts]
    expected = sum(
        n * enumerated(part, other, {0: None, -1: 0}.get(top_k, top_k)) for n, part in zip(sizes, parts, strict=True)
    ) / sum(sizes)
    assert found.value == pytest.approx(expected, rel=1e-4) and found.value < -0.01
    assert costs.forward_tokens == sum(sizes) + sum(int(part.rollout.prompt_mask_BP.sum()) for part in parts)
    assert costs.sampled_tokens == 0, "nothing is sampled"


def test_the_effective_share_is_that_of_the_importance_weights() -> None:
    piece = judged(LocalTeacher(tiny.guesser(9, 1)))
    same, _ = teacher_kl(TorchEngine(tiny.guesser(), tiny.OPTIMIZER, 1e-3), [piece], 0)
    assert same.effective == pytest.approx(1.0, abs=1e-5)
    other = tiny.double(tiny.guesser(1, 3))
    ratios = []
    rollout = piece.rollout
    for b in range(len(rollout.texts)):
        prompt = rollout.prompts_BP[b][rollout.prompt_mask_BP[b].bool()].tolist()
        tokens = rollout.tokens_BT[b][rollout.mask_BT[b].bool()].tolist()
        logprobs_TV = tiny.distributions(other, prompt + tokens, len(prompt))
        ratios += [
            math.exp(logprobs_TV[t, token].item() - rollout.logprobs_BT[b, t].item()) for t, token in enumerate(tokens)
        ]
    found, _ = teacher_kl(TorchEngine(tiny.guesser(1, 3), tiny.OPTIMIZER, 1e-3), [piece], 0)
    expected = sum(ratios) ** 2 / (len(ratios) * sum(r * r for r in ratios))
    assert found.effective == pytest.approx(expected, rel=1e-4) and expected < 0.95


def test_a_share_of_a_judged_batch_is_its_first_rows_cut_to_their_own_width() -> None:
    piece = judged(LocalTeacher(tiny.guesser(9, 1), 2))
    part = piece.first(0.34)
    width = int(piece.rollout.lengths_B[:2].max())
    assert part.rollout.texts == piece.rollout.texts[:2]
    assert isinstance(part.judgement, Top) and isinstance(piece.judgement, Top)
    for mine, whole in zip(part.judgement.given, piece.judgement.given, strict=True):
        assert mine.equal(whole[:2, :width])
    assert len(piece.first(1e-9).rollout.texts) == 1


# Over a run


def test_where_no_weight_has_moved_there_is_no_search_and_the_rate_stays() -> None:
    """All candidates would score alike, and ">=" would keep the longest leap of nothing and raise the rate by it."""
    live = weights(0)
    values = params(rate="follow", multipliers=[1.0, 63.0], triggers=1, highest_rate=1.0)
    searches = Searches(values, live, learning_rate=1e-3, seed=0)
    assert searches.due()
    assert searches.search(live, Script(live, [])) is None
    assert searches.scale == 1.0
    said = iter([False, True, True, True])  # another rank's shard has moved; what follows asks for finite weights
    assert searches.due()
    found = searches.search(live, Script(live, [0.5, 0.6, 0.4]), lambda holds: next(said))
    assert found is not None and found.multiplier == 1.0
    assert searches.scale == 2.0


# In the loop


def test_without_a_leap_that_is_kept_a_search_by_the_teacher_leaves_training_as_it_is(tmp_path: Path) -> None:
    """At multipliers of almost nothing the candidates are the trained weights, which ">" does not accept."""
    slow = with_values(OPD, learning_rate=2e-3)
    plain = Lab(tmp_path / "opd").opd(slow)
    found = Lab(tmp_path / "free").effopd(with_values(FREE, accept=">", multipliers=[1e-30], rate="keep"), slow)
    assert [row["accepted"] for row in found.triggers] == [0, 0, 0, 0]
    for step in (0, 1, 2, 4):
        files = [step_folder(run.folder, step) / "model.safetensors" for run in (plain, found)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_the_rate_of_each_step_is_that_which_the_searches_before_it_left(tmp_path: Path) -> None:
    found = Lab(tmp_path).effopd(with_values(FREE, steps=6), with_values(OPD, learning_rate=1e-4, loss="reverse_kl"))
    rates = [row["learning_rate"] for row in found.metrics]
    assert rates[0] == 1e-4
    multipliers = [row["accepted"] and FREE.multipliers[row["accepted"] - 1] for row in found.triggers]
    expected = itertools.accumulate(multipliers, lambda r, m: r * (1 + m) if m else r * 0.5, initial=1e-4)
    assert rates == pytest.approx(list(expected)[:-1])
    assert max(multipliers) == 7.0 and len(set(multipliers)) > 1, "rates went up, and not always alike"
    assert [row["learning_rate"] for row in found.triggers][:-1] == pytest.approx(rates[1:])


@pytest.mark.parametrize(
    ("triggers", "updates", "expected"), [(1, 1, [1, 2, 3, 4]), (3, 2, [3, 6]), (2, 3, [2, 4, 6, 8])]
)
def test_searches_are_counted_in_updates_of_the_optimiser(
    tmp_path: Path, triggers: int, updates: int, expected: list[int]
) -> None:
    opd = with_values(OPD, updates_per_batch=updates, least_effective=0.0, learning_rate=1e-4)
    steps = 4 if updates == 1 else 3
    found = Lab(tmp_path).effopd(with_values(FREE, triggers=triggers, steps=steps), opd)
    assert [row["update"] for row in found.triggers if row["update"] <= expected[-1]] == expected
    assert [row["n"] for row in found.triggers] == list(range(len(found.triggers)))
    assert [row["step"] for row in found.triggers] == [-(-row["update"] // updates) for row in found.triggers]


# Several updates on a batch


def test_updates_on_one_batch_are_those_of_as_many_steps_on_frozen_completions(tmp_path: Path) -> None:
    """A second implementation: plain descent on the first step's completions, with torch's own AdamW."""
    opd = with_values(OPD, loss="reverse_kl", updates_per_batch=3, least_effective=0.0, steps=1, learning_rate=3e-3)
    found = Lab(tmp_path).opd(opd)
    model, teacher = tiny.guesser(), tiny.guesser(9, 1)
    adamw = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.999), weight_decay=0.01)
    drawn = [(ids, start) for _, ids, start in tiny.rolled_out(tiny.guesser(), OPD.prompts_per_step, 1)]
    for _ in range(3):
        losses = []
        for ids, start in drawn:
            p_TV, q_TV = (tiny.distributions(m, ids, start) for m in (model, teacher))
            losses.append((p_TV.exp() * (p_TV - q_TV.detach())).sum(-1))
        adamw.zero_grad()
        torch.cat(losses).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
    start = dict(tiny.guesser().named_parameters())
    for name, weight in found.model.named_parameters():
        moved_by = (dict(model.named_parameters())[name] - start[name]).norm()
        assert (weight - dict(model.named_parameters())[name]).norm() <= 0.02 * moved_by
    row = found.metrics[0]
    assert row["updates"] == 3 and row["sampled_tokens"] == row["tokens"]
    assert row["backward_tokens"] == 3 * row["teacher_tokens"], "the teacher was asked once"


def test_a_batch_is_left_when_its_completions_have_become_too_unlike_the_students(tmp_path: Path) -> None:
    """A huge first update; with a bound only that one is made, and it is the one of a run with one update."""
    wild = with_values(OPD, updates_per_batch=4, learning_rate=5e-2, steps=1, loss="reverse_kl")
    bounded = Lab(tmp_path / "bounded").opd(with_values(wild, least_effective=0.9))
    assert bounded.metrics[0]["updates"] == 1
    assert Lab(tmp_path / "free").opd(with_values(wild, least_effective=0.0)).metrics[0]["updates"] == 4
    once = Lab(tmp_path / "once").opd(with_values(wild, updates_per_batch=1))
    for name, weight in read_checkpoint(once.folder, 1).items():
        assert weight.equal(read_checkpoint(bounded.folder, 1)[name])
    assert not any(p.grad is not None for p in bounded.model.parameters()), "what was accumulated is forgotten"


def test_the_validation_scores_by_problem_average_to_the_score(tmp_path: Path) -> None:
    found = Lab(tmp_path).effopd(with_values(EFFOPD, samples=3, steps=2), with_values(OPD, learning_rate=2e-3))
    for row in found.triggers:
        model = load_model(step_folder(found.folder, row["step"])) if not row["accepted"] else None
        for scored in [row, *row["candidates"]]:
            assert len(scored["by_problem"]) == 4
            assert fmean(scored["by_problem"]) == pytest.approx(scored["score"])
        if model is not None:
            validation = [problem for problem in tiny.problems(4, seed=1) for _ in range(3)]
            numbers_BT = uniforms(derive_seed(tiny.SEED, "validation", row["step"]), range(12), tiny.LENGTH)
            texts = sample(model, tiny.tokenizer(), [p.prompt for p in validation], tiny.LENGTH, numbers_BT).texts
            right = [float(text.partition("#")[2] == "3") for text in texts]
            assert row["by_problem"] == pytest.approx([fmean(right[i : i + 3]) for i in range(0, 12, 3)])


def test_a_leap_lands_where_the_line_says(tmp_path: Path) -> None:
    plain = Lab(tmp_path / "opd").opd(with_values(OPD, learning_rate=1e-4, loss="reverse_kl"))
    found = Lab(tmp_path / "free").effopd(FREE, with_values(OPD, learning_rate=1e-4, loss="reverse_kl"))
    kept = found.triggers[0]["accepted"]
    assert kept
    initial, trained = (read_checkpoint(plain.folder, step) for step in (0, 1))
    expected = moved(trained, initial, FREE.multipliers[kept - 1], tuple(trained))
    for name, weight in read_checkpoint(found.folder, 1).items():
        torch.testing.assert_close(weight, expected[name], atol=1e-7, rtol=1e-6)
