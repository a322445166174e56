"""PPO's step against a second implementation in float64: one sequence at a time, no padding, no chunks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pvariance

import pytest
import tiny
import torch
from families import FAMILIES, write_family
from test_training import SIGN, assert_one_step
from tiny import PPO, Lab, distributions, rolled_out, with_values
from torch import Tensor
from transformers import PreTrainedModel

from effopd.models.critic import make_critic
from effopd.models.source import adopt
from effopd.rollout.sampler import sample
from effopd.seeding import uniforms
from effopd.train.critic import critic_values
from effopd.train.engine import NonFiniteError, TorchEngine
from effopd.train.forward import completion_logits
from effopd.trajectory.store import read_checkpoint, stored_steps

PARAMS = with_values(
    PPO, steps=1, prompts_per_step=6, group_size=2, kl_coefficient=0.5, gae_lambda=0.7, clip=0.1, value_clip=0.05
)


def opinionated() -> PreTrainedModel:
    """A critic whose values differ from token to token."""
    critic = make_critic(tiny.guesser(3, 1))
    with torch.no_grad():
        critic.lm_head.weight.normal_(0, 0.1, generator=torch.Generator().manual_seed(5))
    return critic


def lab(root: Path, micro_batch: int = 64, loss_chunk: int = 0) -> Lab:
    return Lab(
        root,
        reference=lambda: tiny.guesser(9, 1),
        critic=opinionated,
        optimizer=with_values(SIGN, micro_batch=micro_batch),
        loss_chunk=loss_chunk,
    )


@dataclass
class Expected:
    policy: Tensor
    value: Tensor
    explained: float
    clipped: int
    held: int


def second_implementation(policy: PreTrainedModel, critic: PreTrainedModel) -> Expected:
    """Both losses of models in float64 on the first batch, which `guesser` sampled and `opinionated` valued."""
    sampler, before, reference = (tiny.double(m()) for m in (tiny.guesser, opinionated, lambda: tiny.guesser(9, 1)))
    sequences = list(rolled_out(tiny.guesser(), PARAMS.prompts_per_step, PARAMS.group_size))
    advantages: list[list[float]] = []
    returns: list[list[float]] = []
    olds: list[list[float]] = []
    for problem, ids, start in sequences:
        text = tiny.tokenizer().decode(ids[start:], skip_special_tokens=True)
        reward = float(text.partition("#")[2] == problem.answer)
        old = values_alone(before, ids, start).tolist()
        deltas = [later - now for later, now in zip([*old[1:], reward], old, strict=True)]
        advantages.append([sum(0.7**i * d for i, d in enumerate(deltas[t:])) for t in range(len(old))])
        returns.append([a + v for a, v in zip(advantages[-1], old, strict=True)])
        olds.append(old)
    flat = [a for row in advantages for a in row]
    mean, deviation = fmean(flat), math.sqrt(pvariance(flat))
    losses, value_losses, clipped, held = [], [], 0, 0
    for (_, ids, start), advantage, back, old in zip(sequences, advantages, returns, olds, strict=True):
        tokens = ids[start:]
        new_T, old_T, reference_T = (
            distributions(m, ids, start)[range(len(tokens)), tokens] for m in (policy, sampler, reference)
        )
        white_T = (torch.tensor(advantage, dtype=torch.float64) - mean) / deviation
        ratio_T = (new_T - old_T.detach()).exp()
        surrogate_T = -torch.minimum(ratio_T * white_T, ratio_T.clamp(0.9, 1.1) * white_T)
        d_T = reference_T.detach() - new_T
        losses.append(surrogate_T + 0.5 * (d_T.exp() - d_T - 1))
        clipped += int((surrogate_T != -ratio_T * white_T).sum())
        values_T, was_T, returns_T = values_alone(critic, ids, start), torch.tensor(old), torch.tensor(back)
        off_T = (values_T - returns_T).abs()
        held_T = (was_T + (values_T - was_T).clamp(-0.05, 0.05) - returns_T).abs()
        value_losses.append(torch.maximum(off_T, held_T) ** 2 / 2)
        held += int((held_T > off_T + 1e-9).sum())
    explained = 1 - deviation**2 / pvariance([r for row in returns for r in row])
    return Expected(torch.cat(losses).mean(), torch.cat(value_losses).mean(), explained, clipped, held)


def values_alone(critic: PreTrainedModel, ids: list[int], start: int) -> Tensor:
    """The value of the text before each token behind the prompt, of one sequence without padding, cache or mask."""
    return critic(torch.tensor([ids]), use_cache=False).logits[0, start - 1 : -1, 0]


def doubled(critic: PreTrainedModel) -> PreTrainedModel:
    copy = make_critic(tiny.guesser())
    copy.load_state_dict(critic.state_dict())
    return copy.double()


@pytest.fixture(autouse=True)
def critics_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """`double` builds a model from its configuration, which knows no critics."""
    plain: Callable[[PreTrainedModel], PreTrainedModel] = tiny.double
    monkeypatch.setattr(tiny, "double", lambda m: doubled(m) if m.lm_head.weight.shape[0] == 1 else plain(m))


@pytest.mark.parametrize(("micro_batch", "loss_chunk"), [(64, 0), (5, 3), (1, 0)])
def test_a_step_follows_the_mean_over_tokens_of_whitened_advantages(
    tmp_path: Path, micro_batch: int, loss_chunk: int
) -> None:
    critics: list[PreTrainedModel] = []
    trainer = lab(tmp_path, micro_batch, loss_chunk)
    trainer.critic = lambda: critics.append(opinionated()) or critics[-1]  # type: ignore[func-returns-value]
    found = trainer.ppo(PARAMS)
    policy, critic = tiny.double(tiny.guesser()), tiny.double(opinionated())
    expected = second_implementation(policy, critic)
    expected.policy.backward()
    expected.value.backward()
    row = found.metrics[0]
    assert row["loss"] == pytest.approx(expected.policy.item(), rel=1e-3, abs=1e-5)
    assert row["value_loss"] == pytest.approx(expected.value.item(), rel=1e-4)
    assert row["explained_variance"] == pytest.approx(expected.explained, abs=1e-4)
    assert expected.clipped == expected.held == 0
    assert_one_step(found, tiny.guesser(), policy, PARAMS.learning_rate)
    logged = {"grad_norm": row["critic_grad_norm"]}
    trained = tiny.Trained(critics[0], found.folder, found.engine)
    norm = math.sqrt(sum(float((p.grad**2).sum()) for p in critic.parameters() if p.grad is not None))
    assert logged["grad_norm"] == pytest.approx(norm, rel=1e-3)
    start = dict(opinionated().named_parameters())
    for name, parameter in trained.model.named_parameters():
        gradient = dict(critic.named_parameters())[name].grad
        assert gradient is not None
        clear = gradient.abs() > 1e-3 * norm / math.sqrt(gradient.numel())
        moved = (parameter - start[name]).double() / PARAMS.critic_learning_rate
        torch.testing.assert_close(moved[clear], -gradient[clear].sign(), atol=2e-2, rtol=0)


def test_a_second_update_on_one_batch_is_clipped_around_what_sampled_and_valued_it(tmp_path: Path) -> None:
    params = with_values(PARAMS, updates_per_batch=2, learning_rate=0.02)
    critics: list[PreTrainedModel] = []
    first = lab(tmp_path / "one")
    first.critic = lambda: critics.append(opinionated()) or critics[-1]  # type: ignore[func-returns-value]
    between = first.ppo(with_values(params, updates_per_batch=1)).model
    expected = second_implementation(tiny.double(between), tiny.double(critics[0]))
    assert expected.clipped > 0 and expected.held > 0
    row = lab(tmp_path / "two").ppo(params).metrics[0]
    assert row["loss"] == pytest.approx(expected.policy.item(), rel=1e-3, abs=1e-4)
    assert row["value_loss"] == pytest.approx(expected.value.item(), rel=1e-3)


def test_one_completion_of_each_prompt_is_enough(tmp_path: Path) -> None:
    params = with_values(PPO, steps=24, prompts_per_step=24, group_size=1, learning_rate=2e-3)
    rows = Lab(tmp_path).ppo(params).metrics
    early, late = (fmean(row["accuracy"] for row in part) for part in (rows[:4], rows[-4:]))
    assert early < 0.75 and late > 0.9


def test_the_critic_learns_what_reward_to_expect(tmp_path: Path) -> None:
    """The policy stands still: what is left for the critic is to tell right answers from wrong ones."""
    params = with_values(PPO, steps=30, prompts_per_step=12, learning_rate=1e-9, critic_learning_rate=3e-3)
    rows = Lab(tmp_path, optimizer=with_values(tiny.OPTIMIZER, weight_decay=0.0)).ppo(params).metrics
    assert rows[0]["explained_variance"] == 0.0, "all values are zero at first"
    assert fmean(row["explained_variance"] for row in rows[-5:]) > 0.5
    assert fmean(row["value_loss"] for row in rows[-5:]) < 0.5 * rows[0]["value_loss"]


def test_the_trajectory_holds_the_policy_alone(tmp_path: Path) -> None:
    found = Lab(tmp_path).ppo()
    for step in stored_steps(found.folder):
        weights = read_checkpoint(found.folder, step)
        assert {name: tensor.shape for name, tensor in weights.items()} == {
            name: parameter.shape for name, parameter in tiny.guesser().named_parameters()
        }
    assert all(tensor.equal(dict(found.model.named_parameters())[name]) for name, tensor in weights.items())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_critic_that_is_not_finite_stops_the_run_at_its_step(tmp_path: Path, value: float) -> None:
    broken = opinionated()
    with torch.no_grad():
        broken.lm_head.weight[0, 3] = value
    with pytest.raises(NonFiniteError, match=r"^step 1: the critic's values are not finite$"):
        Lab(tmp_path, critic=lambda: broken).ppo()
    assert not (tmp_path / "published").exists()


def test_a_critic_that_exploded_stops_the_run_at_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"^step 2: "):
        Lab(tmp_path).ppo(with_values(PPO, critic_learning_rate=1e30))


def test_only_the_critics_gradient_being_not_finite_stops_the_run_too(tmp_path: Path) -> None:
    """Values of 1e30 have finite advantages, once whitened, and squares that overflow."""
    huge = make_critic(tiny.guesser())
    with torch.no_grad():
        huge.lm_head.weight.normal_(0, 1e28, generator=torch.Generator().manual_seed(5))
    with pytest.raises(NonFiniteError, match=r"^step 1: the gradient norm is "):
        Lab(tmp_path, critic=lambda: huge).ppo()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [False, True])
def test_a_critic_is_the_model_below_a_head_of_zeros(tmp_path: Path, family: str, tied: bool) -> None:
    write_family(tmp_path / family, family, ["What is 12 + 30? The answer is 42."])
    model, tokenizer = adopt(tmp_path / family)
    if tied:
        model.config.tie_word_embeddings = True
        model.tie_weights()
    below = {name: weight.clone() for name, weight in model.model.named_parameters()}
    critic = make_critic(model)
    assert all(weight.equal(below[name]) for name, weight in critic.model.named_parameters())
    head_1H = critic.get_output_embeddings().weight
    assert head_1H.shape == (1, model.config.hidden_size) and not head_1H.any()
    assert critic.num_parameters() == sum(weight.numel() for weight in below.values()) + head_1H.numel()
    numbers_BT = uniforms(3, range(2), 4)
    rollout = sample(adopt(tmp_path / family)[0], tokenizer, ["What is", "The answer is 4"], 4, numbers_BT)
    engine = TorchEngine(critic, tiny.OPTIMIZER, 1e-2)
    assert completion_logits(critic, rollout).shape == (*rollout.tokens_BT.shape, 1)
    values_BT = critic_values(engine, rollout)
    assert values_BT.shape == rollout.tokens_BT.shape and not values_BT.any()
    engine.backward((values_BT - 1).square().mean())
    engine.step(1)
    assert critic_values(engine, rollout).all()
