"""The callback under TRL's DistillationTrainer: what it moves, on what it scores, and what it leaves as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from peft import LoraConfig, get_peft_model
from ruamel.yaml import YAML
from toy import PROMPTS, RATE, Notes, Script, distillation, same_bits
from trl import DistillationTrainer

from effopd.callback import CallbackError, EffOPDCallback, TeacherKL
from effopd.callback.student import Student
from effopd.rollout.sampler import sample
from effopd.seeding import derive_seed, shuffled_batch, uniforms

ROOT = Path(__file__).parents[2]


def kl(**settings: Any) -> TeacherKL:
    return TeacherKL(tiny.guesser(9, 1), PROMPTS, **settings)


def moved(trained: dict[str, Any], anchor: dict[str, Any], multiplier: float) -> dict[str, Any]:
    return {name: trained[name] + multiplier * (trained[name] - anchor[name]) for name in trained}


# What it leaves as it was


@pytest.mark.parametrize("score", [kl(), lambda model: float(torch.rand(()))], ids=["teacher", "random numbers"])
def test_a_search_that_keeps_nothing_leaves_the_run_as_it_is_bit_for_bit(tmp_path: Path, score: Any) -> None:
    """Weights, and the trainer's own random numbers: it samples from torch's generator at every step."""
    plain, notes = Notes(), Notes()
    distillation(tmp_path / "plain", [plain]).train()
    callback = EffOPDCallback(score, triggers=1, multipliers=[0.0], accept=">")
    distillation(tmp_path / "searching", [callback, notes]).train()
    assert [row["accepted"] for row in callback.triggers] == [0, 0, 0, 0]
    assert not same_bits(plain.weights[0], plain.weights[1])
    for step, (before, after) in enumerate(zip(plain.weights, notes.weights, strict=True)):
        assert same_bits(before, after), f"step {step}"


def test_candidates_are_scored_without_dropout_and_gradients_and_every_module_is_as_it_was(tmp_path: Path) -> None:
    seen: list[bool] = []

    def score(model: Any) -> float:
        seen.append(torch.is_grad_enabled() or any(module.training for module in model.modules()))
        return 0.0

    trainer = distillation(tmp_path, [EffOPDCallback(score)], max_steps=1)
    trainer.train()
    assert seen and not any(seen) and trainer.model.training
    student = Student(trainer.model, trainer.optimizer, trainer.args)
    trainer.model.get_decoder().layers[0].mlp.eval()  # what someone froze
    before = [module.training for module in trainer.model.modules()]
    with student.at_rest():
        pass
    assert [module.training for module in trainer.model.modules()] == before and len(set(before)) == 2


# What it moves


def test_a_leap_lands_where_the_line_says_and_training_goes_on_from_there(tmp_path: Path) -> None:
    """Against a run without: W_1 + m (W_1 − W_0) behind the first step; then triggers at steps 2 and 4."""
    plain, notes, script = Notes(), Notes(), Script([0.1, 0.2, 0.3, 0.0, 0.5, 0.4, 0.5, 0.4])
    distillation(tmp_path / "plain", [plain], max_steps=1).train()
    callback = EffOPDCallback(script)
    distillation(tmp_path / "leaping", [callback, notes]).train()
    assert [row["step"] for row in callback.triggers] == [1, 2, 4]
    assert [row["accepted"] for row in callback.triggers] == [2, 0, 0]
    assert same_bits(notes.weights[1], moved(plain.weights[1], plain.weights[0], 4.0))
    for k, multiplier in ((1, 2.0), (3, 8.0)):
        assert same_bits(script.seen[k], moved(plain.weights[1], plain.weights[0], multiplier))
    assert not same_bits(notes.weights[2], notes.weights[1])
    assert same_bits(script.seen[4], notes.weights[2]), "a candidate that is refused is taken back"
    assert same_bits(script.seen[5], moved(notes.weights[2], notes.weights[1], 2.0)), "Δ starts behind the leap"


@pytest.mark.parametrize("accumulated", [1, 2, 4])
def test_steps_are_the_optimisers_however_many_batches_one_takes(tmp_path: Path, accumulated: int) -> None:
    callback = EffOPDCallback(kl(), triggers=1)
    settings = {"per_device_train_batch_size": 8 // accumulated, "gradient_accumulation_steps": accumulated}
    distillation(tmp_path, [callback], max_steps=3, **settings).train()
    assert [(row["step"], row["update"]) for row in callback.triggers] == [(1, 1), (2, 2), (3, 3)]


# On what it scores


def test_the_teachers_score_is_minus_the_mean_divergence_by_enumeration(tmp_path: Path) -> None:
    """In float64, on the completions that the student samples behind the first step."""
    callback, script = EffOPDCallback(kl(completions=6, micro_batch=4), multipliers=[2]), Script([0.0, -1.0])
    distillation(tmp_path / "teacher", [callback], max_steps=1).train()
    distillation(tmp_path / "weights", [EffOPDCallback(script, multipliers=[2])], max_steps=1).train()
    teacher = tiny.double(tiny.guesser(9, 1))
    chosen = [PROMPTS[i] for i in shuffled_batch(42, "prompts", 1, 6, len(PROMPTS))]
    numbers_BT = uniforms(derive_seed(42, "completions", 0), range(6), tiny.LENGTH)
    scored = []
    for values in script.seen:
        student = tiny.guesser()
        student.load_state_dict(values, strict=False)
        if not scored:
            drawn = sample(student, tiny.tokenizer(), chosen, tiny.LENGTH, numbers_BT)
        terms = []
        for prompt, tokens, mask in zip(chosen, drawn.tokens_BT, drawn.mask_BT, strict=True):
            ids = tiny.tokenizer()(prompt)["input_ids"]
            text = ids + tokens[mask.bool()].tolist()
            p_TV, q_TV = (tiny.distributions(model, text, len(ids)) for model in (tiny.double(student), teacher))
            terms.append((p_TV.exp() * (p_TV - q_TV)).sum(-1))
        scored.append(-torch.cat(terms).mean().item())
    (row,) = callback.triggers
    found = [row["score"], *(candidate["score"] for candidate in row["candidates"])]
    assert found == pytest.approx(scored, rel=1e-5)
    assert row["effective"] == pytest.approx(1.0, abs=1e-5), "the completions are the student's own"


def test_every_candidate_of_a_search_sees_the_same_random_numbers_and_the_next_search_others(tmp_path: Path) -> None:
    drawn: list[float] = []

    def score(model: Any) -> float:
        drawn.append(float(torch.rand(())))
        return 0.0

    distillation(tmp_path, [EffOPDCallback(score, triggers=1, multipliers=[1, 2])], max_steps=2).train()
    assert len(drawn) == 6 and len(set(drawn[:3])) == len(set(drawn[3:])) == 1 and drawn[0] != drawn[3]


def test_a_conversation_is_put_into_words_by_the_tokenizers_template_as_the_trainer_does(tmp_path: Path) -> None:
    template = "{% for m in messages %}{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}?{% endif %}"
    chats = [[{"role": "user", "content": prompt.removesuffix("?")}] for prompt in PROMPTS]
    rows = []
    for prompts in (PROMPTS, chats):
        callback = EffOPDCallback(TeacherKL(tiny.guesser(9, 1), prompts))
        trainer = distillation(tmp_path, [callback], max_steps=1)
        trainer.processing_class.chat_template = template
        trainer.train()
        rows.append(callback.triggers)
    assert rows[0] == rows[1]


# The learning rate


@pytest.mark.parametrize(
    ("schedule", "settings"),
    [
        ("constant", {}),
        ("linear", {"warmup_steps": 2}),
        ("cosine", {}),
        ("constant_with_warmup", {"warmup_steps": 3}),
        ("inverse_sqrt", {"warmup_steps": 1}),
    ],
)
def test_the_scheduled_rate_is_scaled_for_the_step_and_scheduled_on_as_if_it_were_not(
    tmp_path: Path, schedule: str, settings: dict[str, Any]
) -> None:
    plain, notes = Notes(), Notes()
    common = {"lr_scheduler_type": schedule, "max_steps": 6, **settings}
    without = distillation(tmp_path / "plain", [plain], **common)
    without.train()
    callback = EffOPDCallback.rate_free(kl())
    trainer = distillation(tmp_path / "free", [callback, notes], **common)
    trainer.train()
    scales, scale = [], 1.0
    by_step = {row["step"]: row for row in callback.triggers}
    for step in range(1, 7):
        scales.append(scale)
        if step in by_step:
            kept = by_step[step]["accepted"]
            scale *= 1 + (1, 3, 7, 15, 31, 63, -0.5)[kept - 1] if kept else 0.5
    assert notes.rates == pytest.approx([rate * scale for rate, scale in zip(plain.rates, scales, strict=True)])
    assert len(set(scales)) > 2
    assert trainer.lr_scheduler.get_last_lr() == without.lr_scheduler.get_last_lr()
    rates = [[row["learning_rate"] for row in one.state.log_history if "loss" in row] for one in (trainer, without)]
    assert rates[0] == rates[1]


def test_at_a_rate_of_zero_where_a_warm_up_begins_nothing_is_searched(tmp_path: Path) -> None:
    callback = EffOPDCallback.rate_free(kl())
    distillation(tmp_path, [callback], lr_scheduler_type="constant_with_warmup", warmup_steps=2).train()
    assert [row["step"] for row in callback.triggers] == [2, 3, 4], "the first step is made at a rate of 0"


# What it says


def test_each_search_is_a_row_of_the_trainers_log_and_on_its_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = EffOPDCallback(kl())
    trainer = distillation(tmp_path, [callback], disable_tqdm=True)
    trainer.train()
    rows = [row for row in trainer.state.log_history if "effopd/score" in row]
    assert [row["step"] for row in rows] == [1, 2, 4]
    for row, trigger in zip(rows, callback.triggers, strict=True):
        assert row["effopd/score"] == trigger["score"]
        assert row["effopd/multiplier"] == (trigger["accepted"] and 2 ** trigger["accepted"])
        assert row["effopd/cpu_seconds"] > 0 and row["effopd/learning_rate"] == RATE
    json.dumps(trainer.state.log_history, allow_nan=False)
    assert "effopd/multiplier" in capsys.readouterr().out


# Its arguments


def test_its_defaults_are_the_values_of_params_yaml() -> None:
    """Where they say the same: the score and its samples are the trainer's matter."""
    sections = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    others = {"steps", "score", "samples", "score_share", "learning_rate", "updates_per_batch"}
    for made, section in ((EffOPDCallback(kl()), "effopd"), (EffOPDCallback.rate_free(kl()), "effopd_free")):
        given = made._params.model_dump()
        assert {k: v for k, v in given.items() if k not in others} == {
            k: v for k, v in sections[section].items() if k not in others
        }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"multipliers": [-1]}, "EffOPDCallback: multipliers: each must be above -1"),
        ({"triggers": 0}, "EffOPDCallback: triggers: must be exponential, or after every how many updates"),
        ({"rate": "flow"}, "EffOPDCallback: rate: "),
        ({"lowest_rate": 1.0, "highest_rate": 0.5}, "EffOPDCallback: lowest_rate is larger than highest_rate"),
    ],
)
def test_a_wrong_argument_is_named_in_one_line(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="EffOPDCallback") as caught:
        EffOPDCallback(kl(), **settings)
    assert str(caught.value).startswith(said) and "\n" not in str(caught.value)


# What it does not work under


def refused(trainer: DistillationTrainer) -> str:
    with pytest.raises(CallbackError) as caught:
        trainer.train()
    assert trainer.state.global_step == 0 and "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_that_would_round_a_leap_away_are_refused(tmp_path: Path) -> None:
    trainer = distillation(tmp_path, [EffOPDCallback(kl())], model=tiny.guesser().bfloat16())
    assert "is bfloat16, which rounds a leap away: load the model with dtype=torch.float32" in refused(trainer)


def test_an_adapter_is_refused(tmp_path: Path) -> None:
    adapted = get_peft_model(tiny.guesser(), LoraConfig(r=2, target_modules=["q_proj"]))
    trainer = distillation(tmp_path, [EffOPDCallback(kl())], model=adapted)
    assert "the trainer saves an adapter without the weights beside it" in refused(trainer)


def test_optimisers_that_do_not_move_weights_in_steps_are_refused(tmp_path: Path) -> None:
    trainer = distillation(tmp_path, [EffOPDCallback(kl())])
    trainer.create_optimizer()
    trainer.args.optim = "schedule_free_adamw"
    assert refused(trainer).startswith("optim is schedule_free_adamw") and "use adamw_torch" in refused(trainer)


def test_a_teacher_of_another_vocabulary_is_refused_with_both_sizes(tmp_path: Path) -> None:
    other = tiny.model(alphabet="0123456789+-*=;?# abc")
    trainer = distillation(tmp_path, [EffOPDCallback(TeacherKL(other, PROMPTS))], max_steps=1)
    with pytest.raises(CallbackError, match=r"the teacher's vocabulary has \d+ entries and the student's \d+"):
        trainer.train()
