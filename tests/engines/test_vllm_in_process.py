"""Real vLLM in the trainer's process: the trainer's log-probabilities after every step and leap, or an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from unit import tiny
from vllm_world import LENGTH, model, run_effopd

from effopd.losses.tokens import token_logprobs
from effopd.models.store import save_model
from effopd.params.section import ParamsError
from effopd.rollout.policy import ModelPolicy, VLLMPolicy
from effopd.rollout.sampler import ModelSampler, Rollout
from effopd.rollout.vllm import StaleWeightsError, VLLMSampler, start_vllm
from effopd.rollout.vllm_weights import VLLMWeights
from effopd.seeding import uniforms
from effopd.teachers.local import LocalTeacher
from effopd.teachers.vllm import VLLMTeacher
from effopd.train.engine import TorchEngine
from effopd.train.forward import completion_logits
from effopd.train.mismatch import MismatchError

pytest.importorskip("vllm", reason="make test-engines installs it")


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Made from weights that no test samples from: all must have been handed over."""
    folder = tmp_path_factory.mktemp("vllm") / "model"
    save_model(folder, model(99), tiny.tokenizer())
    return start_vllm(folder, "float32", 0.1)


def sampler(llm: Any, engine: TorchEngine, length: int = LENGTH) -> VLLMSampler:
    return VLLMSampler(llm, engine.model, engine.each_weight, tiny.tokenizer(), length, "float32", engine.device)


class Compared:
    """A sampler whose every log-probability is computed again by the model in training, at once."""

    max_new_tokens = LENGTH

    def __init__(self, inner: VLLMSampler, engine: TorchEngine) -> None:
        self.inner, self.engine = inner, engine
        self.largest: list[float] = []

    def refresh(self, step: int) -> None:
        self.inner.refresh(step)

    @torch.no_grad()
    def sample(self, prompts: Any, uniforms_BT: Any) -> Rollout:
        drawn = self.inner.sample(prompts, uniforms_BT)
        trainer_BT = token_logprobs(completion_logits(self.engine.model, drawn), drawn.tokens_BT)
        difference_BT = (trainer_BT - drawn.logprobs_BT).abs() * drawn.mask_BT
        self.largest.append(difference_BT.max().item())
        return drawn


def test_log_probabilities_are_the_trainers_after_every_step_and_every_leap(llm: Any, tmp_path: Path) -> None:
    found: list[Compared] = []

    def make(engine: TorchEngine) -> Compared:
        found.append(Compared(sampler(llm, engine), engine))
        return found[0]

    student, before = model(0), dict(model(0).named_parameters())
    state = run_effopd(student, make, tmp_path)
    assert [trigger["accepted"] for trigger in state.triggers] == [2, 2, 2]
    moved = max((p - before[name]).abs().max().item() for name, p in student.named_parameters())
    assert moved > 0.01, "weights that hardly move show nothing"
    assert len(found[0].largest) == 4 + 3 * 3, "a sample for each step, and three for each trigger"
    assert max(found[0].largest) < 1e-5
    for row in state.metrics:
        assert 0 < row["sampler_mismatch"] < 1e-5 and abs(row["sampler_ratio"] - 1) < 1e-5
        assert abs(row["sampler_kl"]) < 1e-5


def test_the_same_run_has_the_same_bytes(llm: Any, tmp_path: Path) -> None:
    students, rows = [model(0), model(0)], []
    for number, student in enumerate(students):
        rows.append(run_effopd(student, lambda engine: sampler(llm, engine), tmp_path / str(number)).metrics)
    assert rows[0] == rows[1]
    for (name, one), two in zip(students[0].named_parameters(), students[1].parameters(), strict=True):
        assert one.equal(two), name


def test_tokens_are_drawn_from_the_models_distribution(llm: Any) -> None:
    """First tokens of many samples against the probabilities, within five standard errors."""
    engine = TorchEngine(model(0), tiny.OPTIMIZER, 1e-3)
    vllm, count = sampler(llm, engine, length=1), 4000
    vllm.refresh(0)
    drawn = vllm.sample(["3+4?"] * count, uniforms(5, range(count), 1))
    logits_V = completion_logits(engine.model, drawn)[0, 0]
    probabilities_V = logits_V.detach().softmax(-1)
    shares_V = torch.bincount(drawn.tokens_BT[:, 0], minlength=len(probabilities_V)) / count
    error_V = (probabilities_V * (1 - probabilities_V) / count).sqrt()
    assert probabilities_V.max() < 0.9
    assert ((shares_V - probabilities_V).abs() < 5 * error_V + 1e-3).all()


def test_weights_that_vllm_missed_are_noticed_before_it_samples(llm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = TorchEngine(model(0), tiny.OPTIMIZER, 1e-3)
    vllm, numbers_BT = sampler(llm, engine), uniforms(1, range(2), LENGTH)
    vllm.refresh(0)
    vllm.sample(["1+1?", "2+2?"], numbers_BT)
    with torch.no_grad():
        for parameter in engine.parameters.values():
            parameter.add_(1e-6 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    monkeypatch.setattr(type(llm), "collective_rpc", without(type(llm).collective_rpc, "reload_weights"))
    with pytest.raises(StaleWeightsError, match=r"^step 7: .*missed the last update of the weights"):
        vllm.refresh(7)
    monkeypatch.undo()
    vllm.refresh(7)
    assert len(vllm.sample(["1+1?", "2+2?"], numbers_BT).texts) == 2


def without(call: Callable[..., Any], method: str) -> Callable[..., Any]:
    """vLLM's way to its workers, with one method left out but for the weights that are read from their iterator."""

    def some(llm: Any, asked: Any, *arguments: Any, **options: Any) -> Any:
        if asked != method:
            return call(llm, asked, *arguments, **options)
        return list(options["kwargs"]["weights_iterator"])

    return some


def test_a_run_stops_when_sampler_and_trainer_differ_by_more_than_the_budget(llm: Any, tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match=r"^step 1: sampler and trainer differ by .*rollout\.mismatch_budget 1e-12"):
        run_effopd(model(0), lambda engine: sampler(llm, engine), tmp_path, mismatch_budget=1e-12)


def test_a_prompt_that_leaves_no_room_is_one_line(llm: Any) -> None:
    engine = TorchEngine(model(0), tiny.OPTIMIZER, 1e-3)
    with pytest.raises(ParamsError, match=r"a prompt of 4 tokens and 64 new ones are more than vLLM's context of 64"):
        sampler(llm, engine, length=64).sample(["1+1?"], uniforms(1, range(1), 64))


@pytest.mark.parametrize("top_k", [0, 1, 4, -1])
@pytest.mark.parametrize("loss", ["sampled", "reverse_kl", "jsd"])
def test_a_teacher_run_by_vllm_says_what_it_says_run_by_transformers(llm: Any, top_k: int, loss: str) -> None:
    from effopd.train.objective import Judged, chosen_loss, token_scores

    taught = TorchEngine(model(5), tiny.OPTIMIZER, 1e-3)
    sampler(llm, taught).refresh(0)
    student = TorchEngine(model(0), tiny.OPTIMIZER, 1e-3)
    prompts = [problem.prompt for problem in tiny.problems(6)]
    drawn = ModelSampler(student.module, tiny.tokenizer(), LENGTH).sample(prompts, uniforms(2, range(6), LENGTH))
    vocabulary = taught.module.config.vocab_size
    chosen = chosen_loss(tiny.with_values(tiny.OPD, loss=loss))
    found, expected = (
        token_scores(student, Judged(drawn, teacher.judge(drawn, [""] * 6, 0), drawn.logprobs_BT), chosen, 0)
        for teacher in (VLLMTeacher(llm, vocabulary, top_k), LocalTeacher(taught.module, top_k))
    )
    kept_BT = drawn.mask_BT.bool()
    torch.testing.assert_close(found.loss_BT[kept_BT], expected.loss_BT[kept_BT], atol=2e-5, rtol=1e-5)
    assert expected.reverse_kl_BT[kept_BT].max() > 0.01


def test_each_model_that_is_put_into_vllm_is_the_one_that_answers(llm: Any) -> None:
    prompts = [problem.prompt for problem in tiny.problems(8)]
    by_vllm, by_transformers = (
        VLLMPolicy(llm, tiny.tokenizer(), VLLMWeights(llm)),
        ModelPolicy(model(99), tiny.tokenizer()),
    )
    answers = []
    for seed in (3, 8, 5, 3):
        weights = {name: weight.detach() for name, weight in model(seed).named_parameters()}
        found = []
        for policy in (by_vllm, by_transformers):
            policy.put(weights)
            found.append(policy.sample(prompts, LENGTH, None))
        there, here = found
        assert there.texts == here.texts
        torch.testing.assert_close(
            there.logprobs_BT * there.mask_BT, here.logprobs_BT * here.mask_BT, rtol=0, atol=1e-5
        )
        answers.append(tuple(there.texts))
    assert len(set(answers)) == 3 and answers[0] == answers[-1]
