"""Training steps against a second implementation in float64: one sequence at a time, no padding, no chunks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import tiny
import torch
from tiny import BASE, OPD, OPTIMIZER, RL, SEED, Lab, distributions, rolled_out, with_values
from torch import Tensor
from transformers import PreTrainedModel

from effopd.seeding import shuffled_batch
from effopd.tasks.problems import Problem
from effopd.tasks.verdict import Verdict, not_judged
from effopd.train import training
from effopd.train.engine import NonFiniteError
from effopd.train.rates import Decay, scheduled

SIGN = with_values(OPTIMIZER, beta1=0.0, beta2=0.0, weight_decay=0.0, max_grad_norm=1e9)
"""AdamW without memory: each weight moves by the learning rate against its gradient's sign."""


def kl(p_TV: Tensor, q_TV: Tensor) -> Tensor:
    return (p_TV.exp() * (p_TV - q_TV)).sum(-1)


def per_token(loss: str, student_TV: Tensor, teacher_TV: Tensor, tokens: list[int]) -> Tensor:
    if loss == "reverse_kl":
        return kl(student_TV, teacher_TV)
    if loss == "forward_kl":
        return kl(teacher_TV, student_TV)
    if loss == "jsd":
        mixture_TV = (0.3 * teacher_TV.exp() + 0.7 * student_TV.exp()).log()
        return 0.3 * kl(teacher_TV, mixture_TV) + 0.7 * kl(student_TV, mixture_TV)
    student_T, teacher_T = (x_TV[range(len(tokens)), tokens] for x_TV in (student_TV, teacher_TV))
    return -(teacher_T - student_T).detach() * student_T


def assert_one_step(found: tiny.Trained, start: PreTrainedModel, reference: PreTrainedModel, rate: float) -> None:
    """The run's only step followed the gradients that `reference` holds, in norm and in each weight's sign."""
    gradients = {name: parameter.grad for name, parameter in reference.named_parameters()}
    norm = math.sqrt(sum(float((g**2).sum()) for g in gradients.values() if g is not None))
    assert found.metrics[0]["grad_norm"] == pytest.approx(norm, rel=1e-3)
    before, checked = dict(start.named_parameters()), 0
    for name, parameter in found.model.named_parameters():
        gradient = gradients[name]
        assert gradient is not None
        clear = gradient.abs() > 1e-3 * norm / math.sqrt(gradient.numel())
        moved = (parameter - before[name]).double() / rate
        torch.testing.assert_close(moved[clear], -gradient[clear].sign(), atol=2e-2, rtol=0)
        checked += int(clear.sum())
    assert checked > 1000


@pytest.mark.parametrize("loss", ["sampled", "exopd", "reverse_kl", "forward_kl", "jsd"])
@pytest.mark.parametrize(("micro_batch", "loss_chunk"), [(64, 0), (4, 3)])
def test_a_distillation_step_follows_the_mean_loss_over_all_tokens(
    tmp_path: Path, loss: str, micro_batch: int, loss_chunk: int
) -> None:
    params = with_values(OPD, loss=loss, jsd_beta=0.3, steps=1)
    found = Lab(
        tmp_path,
        reference=lambda: tiny.guesser(1, 3),
        optimizer=with_values(SIGN, micro_batch=micro_batch),
        loss_chunk=loss_chunk,
    ).opd(params)
    student, teacher = tiny.double(tiny.guesser()), tiny.double(tiny.guesser(9, 1))
    reference = tiny.double(tiny.guesser(1, 3))
    losses, divergences, entropies, lengths, hits, ends = [], [], [], [], [], []
    for problem, ids, start in rolled_out(tiny.guesser(), OPD.prompts_per_step, 1):
        student_TV = distributions(student, ids, start)
        teacher_TV = distributions(teacher, ids, start).detach()
        aim_TV = teacher_TV
        if loss == "exopd":
            aim_TV = 1.25 * teacher_TV - 0.25 * distributions(reference, ids, start).detach()
        losses.append(per_token(loss, student_TV, aim_TV, ids[start:]))
        divergences.append(kl(student_TV, teacher_TV))
        entropies.append(-(student_TV.exp() * student_TV).sum(-1))
        lengths.append(len(ids) - start)
        text = tiny.tokenizer().decode(ids[start:], skip_special_tokens=True)
        hits.append(text.partition("#")[2] == problem.answer)
        ends.append(ids[-1] == tiny.tokenizer().eos_token_id)
    assert len(set(lengths)) > 1, "a mean over sequences would differ from the mean over tokens"
    expected = torch.cat(losses).mean()
    expected.backward()
    row = found.metrics[0]
    assert row["loss"] == pytest.approx(expected.item(), rel=1e-4, abs=1e-6)
    assert row["reverse_kl"] == pytest.approx(torch.cat(divergences).mean().item(), rel=1e-3)
    assert row["entropy"] == pytest.approx(torch.cat(entropies).mean().item(), rel=1e-3)
    assert row["completion_length"] == pytest.approx(sum(lengths) / len(lengths))
    assert row["accuracy"] == pytest.approx(sum(hits) / len(hits)) and 0 < sum(hits) < len(hits)
    assert row["truncated"] == pytest.approx(1 - sum(ends) / len(ends)) and sum(ends) < len(ends)
    assert row["tokens"] == row["sampled_tokens"] == sum(lengths)
    assert row["sampler_mismatch"] < 1e-4
    assert_one_step(found, tiny.guesser(), student, OPD.learning_rate)


@pytest.mark.parametrize("micro_batch", [64, 5])
def test_a_grpo_step_follows_the_mean_over_completions_of_their_mean_over_tokens(
    tmp_path: Path, micro_batch: int
) -> None:
    params = with_values(RL, steps=1, kl_coefficient=0.5)
    lab = Lab(tmp_path, reference=lambda: tiny.guesser(9, 1), optimizer=with_values(SIGN, micro_batch=micro_batch))
    found = lab.rl(params)
    policy, reference = tiny.double(tiny.guesser()), tiny.double(tiny.guesser(9, 1))
    sequences = list(rolled_out(tiny.guesser(), RL.prompts_per_step, RL.group_size))
    texts = [tiny.tokenizer().decode(ids[start:], skip_special_tokens=True) for _, ids, start in sequences]
    rewards = [float(t.partition("#")[2] == p.answer) for (p, _, _), t in zip(sequences, texts, strict=True)]
    total, divergence = torch.zeros((), dtype=torch.float64), []
    for i, (_, ids, start) in enumerate(sequences):
        first = i - i % RL.group_size
        group = rewards[first : first + RL.group_size]
        mean = sum(group) / len(group)
        deviation = math.sqrt(sum((r - mean) ** 2 for r in group) / len(group))
        advantage = (rewards[i] - mean) / deviation if deviation else 0.0
        tokens = ids[start:]
        policy_T, reference_T = (distributions(m, ids, start)[range(len(tokens)), tokens] for m in (policy, reference))
        d_T = reference_T.detach() - policy_T
        ratio_T = (policy_T - policy_T.detach()).exp()
        total = total + (-ratio_T * advantage + 0.5 * (d_T.exp() - d_T - 1)).mean() / len(sequences)
        divergence.append((d_T.exp() - d_T - 1).detach())
    assert 0 < sum(rewards) < len(rewards)
    total.backward()
    row = found.metrics[0]
    assert row["loss"] == pytest.approx(total.item(), rel=1e-3, abs=1e-5)
    assert row["reverse_kl"] == pytest.approx(torch.cat(divergence).mean().item(), rel=1e-3)
    assert row["accuracy"] == pytest.approx(sum(rewards) / len(rewards))
    assert_one_step(found, tiny.guesser(), policy, RL.learning_rate)


def test_a_second_update_on_one_batch_is_clipped_around_the_sampler(tmp_path: Path) -> None:
    """After a huge first update every ratio is far from 1: what still pulls are the sides that lose."""
    params = with_values(RL, steps=1, updates_per_batch=2, kl_coefficient=0.0, learning_rate=0.02, clip=0.1)
    found = Lab(tmp_path, optimizer=SIGN).rl(params)
    between = tiny.double(Lab(tmp_path / "one", optimizer=SIGN).rl(with_values(params, updates_per_batch=1)).model)
    sampler = tiny.double(tiny.guesser())
    sequences = list(rolled_out(tiny.guesser(), RL.prompts_per_step, RL.group_size))
    texts = [tiny.tokenizer().decode(ids[start:], skip_special_tokens=True) for _, ids, start in sequences]
    rewards = [float(t.partition("#")[2] == p.answer) for (p, _, _), t in zip(sequences, texts, strict=True)]
    total, clipped = 0.0, 0
    for i, (_, ids, start) in enumerate(sequences):
        first = i - i % RL.group_size
        group = rewards[first : first + RL.group_size]
        mean = sum(group) / len(group)
        deviation = math.sqrt(sum((r - mean) ** 2 for r in group) / len(group))
        advantage = (rewards[i] - mean) / deviation if deviation else 0.0
        tokens = ids[start:]
        new_T, old_T = (distributions(m, ids, start)[range(len(tokens)), tokens] for m in (between, sampler))
        terms = []
        for ratio in (new_T - old_T).exp().tolist():
            terms.append(-min(ratio * advantage, min(max(ratio, 0.9), 1.1) * advantage))
            clipped += terms[-1] != -ratio * advantage
        total += sum(terms) / len(terms) / len(sequences)
    assert clipped > 0
    assert found.metrics[0]["loss"] == pytest.approx(total, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("micro_batch", [64, 2])
def test_a_fine_tuning_step_follows_the_mean_likelihood_of_completions_and_ends_alone(
    tmp_path: Path, micro_batch: int
) -> None:
    params = with_values(BASE, steps=1)
    found = Lab(tmp_path, optimizer=with_values(SIGN, micro_batch=micro_batch)).sft(params)
    reference, pool = tiny.double(tiny.guesser()), tiny.demonstrations()
    losses = []
    for i in shuffled_batch(SEED, "demonstrations", 1, BASE.batch_size, len(pool)):
        prompt, completion = (tiny.tokenizer()(text)["input_ids"] for text in (pool[i].prompt, pool[i].completion))
        tokens = [*completion, tiny.tokenizer().eos_token_id]
        losses.append(-distributions(reference, prompt + tokens, len(prompt))[range(len(tokens)), tokens])
    assert len({len(x) for x in losses}) > 1
    expected = torch.cat(losses).mean()
    expected.backward()
    assert found.metrics[0]["loss"] == pytest.approx(expected.item(), rel=1e-4)
    assert_one_step(found, tiny.guesser(), reference, BASE.learning_rate)


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        ("none", [0.8] * 8),
        ("linear", [0.8 * (8 - i) / 8 for i in range(8)]),
        ("cosine", [0.4 * (1 + math.cos(math.pi * i / 8)) for i in range(1, 9)]),
    ],
)
def test_rates_rise_to_their_peak_and_fall_as_they_decay(decay: Decay, expected: list[float]) -> None:
    found = [scheduled(0.8, decay, step, 4, 12) for step in range(1, 13)]
    assert found == pytest.approx([0.2, 0.4, 0.6, 0.8, *expected], abs=1e-15)


def relative_distance(first: PreTrainedModel, second: PreTrainedModel, start: PreTrainedModel) -> float:
    """‖W − W'‖ / ‖W − W_0‖."""
    first_W, second_W, start_W = (
        torch.cat([p.detach().double().flatten() for p in m.parameters()]) for m in (first, second, start)
    )
    return float((first_W - second_W).norm() / (first_W - start_W).norm())


@pytest.mark.parametrize(
    ("run", "micro_batch", "loss_chunk"),
    [
        ("opd", 1, 0),
        ("rl", 1, 0),
        ("ppo", 1, 0),
        ("sft", 1, 0),
        ("opd", 4, 5),
        ("rl", 5, 1),
        ("ppo", 5, 1),
        ("sft", 3, 0),
    ],
)
def test_pieces_of_a_batch_make_the_step_of_the_whole_batch(
    tmp_path: Path, run: str, micro_batch: int, loss_chunk: int
) -> None:
    whole = getattr(Lab(tmp_path / "whole"), run)()
    optimizer = with_values(OPTIMIZER, micro_batch=micro_batch)
    pieces = getattr(Lab(tmp_path / "pieces", optimizer=optimizer, loss_chunk=loss_chunk), run)()
    for first, second in zip(whole.metrics, pieces.metrics, strict=True):
        assert second == pytest.approx(first, rel=2e-2, abs=1e-4)
    assert relative_distance(whole.model, pieces.model, tiny.guesser()) < 0.02


@pytest.mark.parametrize("loss", ["sampled", "reverse_kl", "forward_kl", "jsd"])
def test_distillation_brings_the_student_to_the_teacher(tmp_path: Path, loss: str) -> None:
    params = with_values(OPD, loss=loss, steps=16, prompts_per_step=12, learning_rate=1e-3)
    rows = Lab(tmp_path, teacher=lambda: tiny.guesser(19, 1)).opd(params).metrics
    early, late = (sum(row["reverse_kl"] for row in part) / len(part) for part in (rows[:3], rows[-6:]))
    assert late < early / 2


def test_reinforcement_learning_raises_the_reward(tmp_path: Path) -> None:
    rows = Lab(tmp_path).rl(with_values(RL, steps=16, prompts_per_step=6, learning_rate=2e-3)).metrics
    early, late = (sum(row["accuracy"] for row in part) / 4 for part in (rows[:4], rows[-4:]))
    assert early < 0.75 and late > 0.9


def test_exopd_at_one_is_the_sampled_loss_and_goes_beyond_the_teacher_at_two(tmp_path: Path) -> None:
    """The teacher is right nine times in ten, the reference every other time: 0.9² / 0.5 against 0.1² / 0.5, 98.8 %."""

    def taught(name: str, **values: Any) -> float:
        params = with_values(OPD, steps=60, prompts_per_step=24, learning_rate=3e-3, **values)
        return fmean(row["accuracy"] for row in Lab(tmp_path / name).opd(params).metrics[-10:])

    plain, one = taught("plain", loss="sampled"), taught("one", loss="exopd", exopd_lambda=1.0)
    assert one == plain < 0.95
    assert taught("two", loss="exopd", exopd_lambda=2.0) > 0.96


def test_a_student_that_is_its_own_teacher_stays_where_it_is(tmp_path: Path) -> None:
    optimizer = with_values(OPTIMIZER, weight_decay=0.0)
    lab = Lab(tmp_path, teacher=tiny.guesser, optimizer=optimizer)
    row = lab.opd(with_values(OPD, steps=1)).metrics[0]
    assert row["grad_norm"] < 1e-4 and abs(row["loss"]) < 1e-5 and row["reverse_kl"] < 1e-6


ALWAYS = {"step", "loss", "grad_norm"}
SAMPLED = ALWAYS | {
    "accuracy", "reverse_kl", "entropy", "completion_length", "truncated", "tokens", "sampled_tokens",
}  # fmt: skip


@pytest.mark.parametrize(
    ("run", "columns"),
    [
        ("sft", ALWAYS | {"learning_rate"}),
        ("rl", SAMPLED),
        ("ppo", SAMPLED | {"value_loss", "explained_variance", "critic_grad_norm"}),
        ("opd", SAMPLED | {"sampler_mismatch"}),
        ("effopd", SAMPLED),
    ],
)
def test_every_step_logs_the_promised_columns_live_with_seconds_and_published_without(
    tmp_path: Path, run: str, columns: set[str]
) -> None:
    found = getattr(Lab(tmp_path), run)()
    assert [row["step"] for row in found.metrics] == [1, 2, 3, 4]
    for row in found.metrics:
        assert columns <= row.keys()
        assert all(math.isfinite(value) for value in row.values())
        assert not {"seconds", "search_seconds"} & row.keys(), "outputs hold no times"
    live = [json.loads(line) for line in (tmp_path / "live" / "metrics.jsonl").read_text().splitlines()]
    assert [{name: row[name] for name in found.metrics[0]} for row in live] == found.metrics
    assert all(row["seconds"] > 0 and row["steps"] == 4 for row in live)
    assert list((tmp_path / "live").glob("events.out.tfevents.*")), "TensorBoard shows them too"
    timing = [json.loads(line) for file in (tmp_path / "costs").iterdir() for line in file.open()]
    assert [row["step"] for row in timing] == [1, 2, 3, 4] and all(row["seconds"] > 0 for row in timing)


def test_sampled_tokens_are_the_running_total(tmp_path: Path) -> None:
    rows = Lab(tmp_path).opd().metrics
    totals = [sum(row["tokens"] for row in rows[: i + 1]) for i in range(len(rows))]
    assert [row["sampled_tokens"] for row in rows] == totals


@pytest.mark.parametrize("run", ["opd", "rl"])
def test_every_step_samples_with_numbers_of_its_own(tmp_path: Path, run: str) -> None:
    """One prompt and a student that stands still: with the same numbers every step would sample the same."""
    still = with_values(OPTIMIZER, weight_decay=0.0)
    lab = Lab(tmp_path, optimizer=still, pool=tiny.problems(1))
    params: Any = with_values(OPD if run == "opd" else RL, learning_rate=1e-12, steps=5)
    rows = getattr(lab, run)(params).metrics
    assert len({(row["tokens"], row["accuracy"], round(row["loss"], 4)) for row in rows}) > 1


def broken(make: Callable[[], PreTrainedModel]) -> PreTrainedModel:
    found = make()
    with torch.no_grad():
        found.lm_head.weight[3] = math.nan
    return found


@pytest.mark.parametrize("loss", ["sampled", "reverse_kl", "forward_kl", "jsd"])
def test_a_broken_teacher_stops_distillation_before_the_first_step_and_is_named(tmp_path: Path, loss: str) -> None:
    lab = Lab(tmp_path, teacher=lambda: broken(tiny.guesser))
    with pytest.raises(NonFiniteError, match=r"^step 1: the teacher's log-probabilities are not numbers"):
        lab.opd(with_values(OPD, loss=loss))


def test_a_broken_reference_stops_reinforcement_learning_at_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"^step 1: "):
        Lab(tmp_path, reference=lambda: broken(tiny.guesser)).rl()


def test_weights_that_exploded_stop_fine_tuning_at_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"^step 2: "):
        Lab(tmp_path).sft(with_values(BASE, learning_rate=1e30))


@pytest.mark.parametrize("algorithm", ["grpo", "dapo", "ppo"])
def test_a_problem_that_cannot_be_judged_teaches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    """Of each problem the first completion has no verdict, and one of the others is right."""

    def judged(problems: list[Problem], texts: list[str]) -> list[Verdict]:
        return [not_judged("") if row % 4 == 0 else Verdict(float(row % 4 == 1), "") for row in range(len(texts))]

    monkeypatch.setattr(training, "verify_all", judged)
    params = with_values(RL, algorithm=algorithm, steps=1, kl_coefficient=0.0)
    row = Lab(tmp_path, optimizer=SIGN).rl(params).metrics[0]
    assert row["grad_norm"] == 0.0 and "accuracy" not in row


def test_the_logged_accuracy_is_of_what_could_be_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(problems: list[Problem], texts: list[str]) -> list[Verdict]:
        return [not_judged("") if row == 0 else Verdict(float(row % 4 < 3), "") for row in range(len(texts))]

    monkeypatch.setattr(training, "verify_all", judged)
    assert Lab(tmp_path).rl(with_values(RL, steps=1)).metrics[0]["accuracy"] == 0.75
