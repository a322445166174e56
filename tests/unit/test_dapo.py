"""DAPO's step against a second implementation in float64: one sequence at a time, no padding, no chunks."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from tiny import OPTIMIZER, RL, Lab, distributions, rolled_out, with_values
from transformers import PreTrainedModel

from effopd.losses.policy_gradient import with_variance

DAPO = with_values(RL, algorithm="dapo", prompts_per_step=6, group_size=4, steps=1, clip=0.1, clip_high=0.3)
SIGN = with_values(OPTIMIZER, beta1=0.0, beta2=0.0, weight_decay=0.0, max_grad_norm=1e9)


def loss_of(policy: PreTrainedModel) -> tuple[float, dict[str, int]]:
    """DAPO's loss of `policy` on the first batch, and how many groups, tokens and clipped ratios it saw."""
    sampler, sequences = tiny.double(tiny.guesser()), list(rolled_out(tiny.guesser(), 6, 4))
    texts = [tiny.tokenizer().decode(ids[start:], skip_special_tokens=True) for _, ids, start in sequences]
    rewards = [float(t.partition("#")[2] == p.answer) for (p, _, _), t in zip(sequences, texts, strict=True)]
    seen = {"kept": 0, "left out": 0, "tokens": 0, "above": 0, "below": 0}
    total = 0.0
    for first in range(0, len(sequences), 4):
        group = rewards[first : first + 4]
        mean = sum(group) / 4
        deviation = (sum((r - mean) ** 2 for r in group) / 4) ** 0.5
        if deviation == 0:
            seen["left out"] += 1
            continue
        seen["kept"] += 1
        for (_, ids, start), reward in zip(sequences[first : first + 4], group, strict=True):
            tokens, advantage = ids[start:], (reward - mean) / deviation
            new_T, old_T = (distributions(m, ids, start)[range(len(tokens)), tokens] for m in (policy, sampler))
            seen["tokens"] += len(tokens)
            for ratio in (new_T - old_T).exp().tolist():
                seen["above"] += ratio > 1.3 and advantage > 0
                seen["below"] += ratio < 0.9 and advantage < 0
                total -= min(ratio * advantage, min(max(ratio, 0.9), 1.3) * advantage)
    return total / seen["tokens"], seen


@pytest.mark.parametrize(("micro_batch", "loss_chunk"), [(64, 0), (5, 3)])
def test_the_loss_is_the_mean_over_tokens_of_groups_with_variance(
    tmp_path: Path, micro_batch: int, loss_chunk: int
) -> None:
    lab = Lab(tmp_path, optimizer=with_values(SIGN, micro_batch=micro_batch), loss_chunk=loss_chunk)
    expected, seen = loss_of(tiny.double(tiny.guesser()))
    assert seen["kept"] > 1 and seen["left out"] > 0
    assert lab.rl(DAPO).metrics[0]["loss"] == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_a_second_update_is_clipped_higher_above_than_below(tmp_path: Path) -> None:
    params = with_values(DAPO, updates_per_batch=2, learning_rate=0.02)
    between = Lab(tmp_path / "one", optimizer=SIGN).rl(with_values(params, updates_per_batch=1)).model
    expected, seen = loss_of(tiny.double(between))
    assert seen["above"] > 0 and seen["below"] > 0
    assert Lab(tmp_path / "two", optimizer=SIGN).rl(params).metrics[0]["loss"] == pytest.approx(expected, rel=1e-3)


def test_nothing_pulls_towards_the_reference(tmp_path: Path) -> None:
    """Whatever the coefficient and the reference are, the weights go the same way."""
    found = [
        Lab(tmp_path / str(pull), reference=lambda: tiny.guesser(9, 1)).rl(with_values(DAPO, kl_coefficient=pull)).model
        for pull in (0.0, 10.0)
    ]
    assert all(a.equal(b) for a, b in zip(found[0].parameters(), found[1].parameters(), strict=True))


def test_groups_of_equals_alone_leave_the_weights_where_they_are(tmp_path: Path) -> None:
    """Every completion is right: with no token left the loss is zero, not nought by nought."""
    lab = Lab(tmp_path, student=lambda: tiny.guesser(9, 0), reference=lambda: tiny.guesser(9, 0), optimizer=SIGN)
    row = lab.rl(DAPO).metrics[0]
    assert row["accuracy"] == 1.0 and row["loss"] == 0.0 and row["grad_norm"] == 0.0


def test_variance_is_told_exactly() -> None:
    rewards_GN = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.1, 0.1, 0.1]])
    assert with_variance(rewards_GN).tolist() == [False, False, True, False]
