"""Training, evaluation and analysis on another device than the CPU: nothing is left behind, nothing changes.

Run by test_devices.py in a process of its own: torch keeps a device that it was once told of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from closeness import ROUNDING, share_apart
from far_device import far_device
from tiny import BASE, EFFOPD, OPD, PPO, RL, Killed, Lab, Trained, guesser, with_values
from transformers import PreTrainedModel

from effopd.evaluation.accuracy import grade
from effopd.files import hash_path
from effopd.models.critic import make_critic
from effopd.rollout.policy import ModelPolicy
from effopd.rollout.sampler import sample
from effopd.seeding import uniforms
from effopd.spectral.analysis import analyse_trajectory
from effopd.teachers.local import LocalTeacher
from effopd.train.engine import TorchEngine
from effopd.train.objective import Judged, chosen_loss, token_scores
from effopd.trajectory.store import read_checkpoint, stored_steps

RUNS: dict[str, Callable[[Lab], Trained]] = {
    "sft": lambda lab: lab.sft(BASE),
    "rl": lambda lab: lab.rl(RL),
    "ppo": lambda lab: lab.rl(PPO),
    "sampled": lambda lab: lab.opd(OPD),
    "exopd": lambda lab: lab.opd(with_values(OPD, loss="exopd")),
    "jsd": lambda lab: lab.opd(with_values(OPD, loss="jsd")),
    "effopd": lambda lab: lab.effopd(EFFOPD, with_values(OPD, learning_rate=2e-3)),
}


@pytest.fixture
def far() -> Iterator[torch.device]:
    with far_device() as device:
        yield device


def eager(model: PreTrainedModel) -> PreTrainedModel:
    """Fused attention chooses its kernel by device."""
    model.set_attn_implementation("eager")
    return model


def lab(root: Path, device: str | torch.device = "cpu") -> Lab:
    models = {
        "student": lambda: eager(guesser()).to(device),
        "teacher": lambda: eager(guesser(9, 1)).to(device),
        "reference": lambda: eager(guesser()).to(device),
        "critic": lambda: make_critic(eager(guesser()).to(device)),
    }
    return Lab(root, **models)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", RUNS)
def test_a_run_on_another_device_is_the_same_run(name: str, far: torch.device, tmp_path: Path) -> None:
    there = RUNS[name](lab(tmp_path / "there", far))
    assert {weight.device for weight in there.model.parameters()} == {far}
    here = RUNS[name](lab(tmp_path / "here"))
    assert_close(there, here)


@pytest.mark.parametrize("top_k", [0, 4])
def test_chunks_of_the_loss_stay_on_their_device(top_k: int, far: torch.device) -> None:
    """Forward alone: checkpointing's backward pass is more than the stand-in for a device can do."""
    student, teacher = eager(guesser()).to(far), LocalTeacher(eager(guesser(9, 1)).to(far), top_k)
    engine = TorchEngine(student, tiny.OPTIMIZER, 1e-3)
    asked = tiny.problems(6)
    numbers_BT = uniforms(3, range(6), tiny.LENGTH)
    rollout = sample(student, tiny.tokenizer(), [problem.prompt for problem in asked], tiny.LENGTH, numbers_BT)
    with torch.no_grad():
        whole, pieces = (
            token_scores(engine, Judged(rollout, told, rollout.logprobs_BT), chosen_loss(OPD), chunk)
            for chunk in (0, 3)
            for told in [teacher.judge(rollout, [""] * 6, chunk)]
        )
    assert pieces.loss_BT.device == far
    kept_BT = rollout.mask_BT.cpu().bool()
    for name in ("loss_BT", "student_BT", "reverse_kl_BT", "entropy_BT"):
        one, other = (getattr(scores, name).cpu()[kept_BT] for scores in (whole, pieces))
        torch.testing.assert_close(one, other)


def test_a_killed_run_goes_on_where_it_was_trained(
    far: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = lab(tmp_path / "whole", far).opd(OPD)
    monkeypatch.setattr("effopd.trajectory.workspace.Workspace.due", lambda _: True)  # saved after each step
    with pytest.raises(Killed):
        lab(tmp_path / "killed", far).opd(OPD, search=tiny.AfterEach(dies_at_3))
    resumed = lab(tmp_path / "killed", far).opd(OPD)
    moments = [
        value for state in resumed.engine._optimizer.state.values() for key, value in state.items() if key != "step"
    ]
    assert moments and all(moment.device == far for moment in moments)
    assert hash_path(resumed.folder) == hash_path(whole.folder)


def assert_close(there: Trained, here: Trained) -> None:
    """Equal but for rounding: torch takes other ways to the same kernels."""
    base, *steps = stored_steps(here.folder)
    start = read_checkpoint(here.folder, base)
    assert all(weight.equal(start[name]) for name, weight in read_checkpoint(there.folder, base).items())
    for step in steps:
        found, expected = read_checkpoint(there.folder, step), read_checkpoint(here.folder, step)
        assert share_apart(found, expected, start) < ROUNDING, step
    for one, other in zip(there.metrics, here.metrics, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)  # differences of log-probabilities, each rounded by 1e-6
    if (here.folder / "triggers.jsonl").exists():
        assert there.triggers == here.triggers and any(row["accepted"] for row in here.triggers)


def dies_at_3(step: int) -> int:
    if step == 3:
        raise Killed
    return 0


def test_a_model_on_another_device_is_graded_alike(far: torch.device) -> None:
    def graded(device: torch.device) -> tuple[list[str], np.ndarray]:
        policy = ModelPolicy(eager(guesser(2, 1)), tiny.tokenizer())
        policy.put(dict(guesser(1, 1).named_parameters()))
        found = grade(
            ModelPolicy(policy.model.to(device), policy.tokenizer),
            tiny.problems(7),
            samples=3,
            greedy=False,
            seed=3,
            max_new_tokens=tiny.LENGTH,
            batch_size=5,
        )
        return found.texts, found.scores_NS

    (texts_there, scores_there), (texts_here, scores_here) = graded(far), graded(torch.device("cpu"))
    assert texts_there == texts_here and np.array_equal(scores_there, scores_here)


def test_weights_on_the_cpu_can_be_put_on_a_model_elsewhere(far: torch.device) -> None:
    policy = ModelPolicy(guesser(2, 1).to(far), tiny.tokenizer())
    weights = dict(guesser(1, 1).named_parameters())
    policy.put(weights)
    assert all(parameter.cpu().equal(weights[name]) for name, parameter in policy.model.named_parameters())


def test_updates_are_analysed_where_they_are(far: torch.device, tmp_path: Path) -> None:
    folder = lab(tmp_path).opd(OPD).folder
    checkpoints = {step: read_checkpoint(folder, step) for step in stored_steps(folder)}
    shapes = {name: weight.shape for name, weight in checkpoints[0].items()}
    steps = list(checkpoints)[1:]
    there, here = (
        analyse_trajectory(lambda step, name, to=device: checkpoints[step][name].to(to), shapes, steps)  # type: ignore[misc]
        for device in (far, torch.device("cpu"))
    )
    assert there == here
