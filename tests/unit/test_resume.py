"""Runs that are killed, continued, cut short or broken: the bytes that are published do not show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from tiny import BASE, EFFOPD, OPD, PPO, RL, Killed, Lab, Trained, with_values

from effopd.files import DataError, hash_path, read_json, read_jsonl
from effopd.params.reading import read_yaml
from effopd.params.schema import check_file
from effopd.train.engine import NonFiniteError, TorchEngine
from effopd.train.session import Session
from effopd.trajectory.schedule import checkpoint_steps
from effopd.trajectory.store import read_checkpoint, stored_steps
from effopd.trajectory.workspace import Workspace
from stages import ROOT
from stages.resuming import CONTINUED_WITH

SLOW_OPD = with_values(OPD, learning_rate=2e-3)  # some leaps are accepted, some are not
FREE = with_values(EFFOPD, triggers=1, multipliers=[1.0, 3.0, -0.5], score="teacher_kl", rate="follow")
RUNS: dict[str, Callable[[Lab], Trained]] = {
    "sft": lambda lab: lab.sft(BASE),
    "rl": lambda lab: lab.rl(RL),
    "ppo": lambda lab: lab.rl(with_values(PPO, gae_lambda=0.9, updates_per_batch=2)),
    "opd": lambda lab: lab.opd(OPD),
    "effopd": lambda lab: lab.effopd(EFFOPD, SLOW_OPD),
    "effopd-free": lambda lab: lab.effopd(FREE, with_values(SLOW_OPD, updates_per_batch=2, loss="reverse_kl")),
    "rl in bfloat16": lambda lab: replace(lab, precision="bfloat16").rl(RL),
    "effopd in bfloat16": lambda lab: replace(lab, precision="bfloat16").effopd(EFFOPD, SLOW_OPD),
    "effopd-random": lambda lab: lab.effopd(with_values(EFFOPD, direction="random", triggers=3), SLOW_OPD),
}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The hash of each run's published folder."""
    root = tmp_path_factory.mktemp("uninterrupted")
    return {name: hash_path(run(Lab(root / name)).folder) for name, run in RUNS.items()}


def killed_at(patch: pytest.MonkeyPatch, owner: type, method: str, call: int) -> None:
    """From the `call`-th call on, `owner.method` ends the run instead of doing its work."""
    original, calls = getattr(owner, method), 0

    def stand_in(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= call:
            raise Killed
        return original(*arguments, **named)

    patch.setattr(owner, method, stand_in)


def steps_worked(patch: pytest.MonkeyPatch) -> list[int]:
    """Counts steps: one entry is added for each call of `Session.log`."""
    counted: list[int] = []
    original = Session.log

    def log(session: Session, **values: float) -> None:
        counted.append(1)
        original(session, **values)

    patch.setattr(Session, "log", log)
    return counted


@pytest.fixture(params=["every step saved", "few steps saved"])
def saving(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Save after every step, or after the first and the last alone."""
    rare = request.param == "few steps saved"
    monkeypatch.setattr("effopd.trajectory.workspace.WORK_PER_SAVE", 1e9 if rare else 0)


def test_two_runs_of_the_same_thing_have_the_same_bytes(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    for name, run in RUNS.items():
        assert hash_path(run(Lab(tmp_path / "another folder" / name)).folder) == uninterrupted[name]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    ("owner", "method", "call"), [(Session, "log", 1), (Session, "log", 4), (Workspace, "save", 2)]
)
def test_a_run_killed_in_a_step_or_before_a_save_ends_with_the_same_bytes(
    tmp_path: Path, uninterrupted: dict[str, str], saving: None, run: str, owner: type, method: str, call: int
) -> None:
    lab = Lab(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        killed_at(patch, owner, method, call)
        with pytest.raises(Killed):
            RUNS[run](lab)
    assert hash_path(RUNS[run](lab).folder) == uninterrupted[run]


def test_effopd_killed_behind_a_leap_ends_with_the_same_bytes(
    tmp_path: Path, uninterrupted: dict[str, str], saving: None
) -> None:
    lab = Lab(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        killed_at(patch, Session, "log_trigger", 2)
        with pytest.raises(Killed):
            RUNS["effopd"](lab)
    assert hash_path(RUNS["effopd"](lab).folder) == uninterrupted["effopd"]


def test_effopd_killed_again_and_again_ends_with_the_same_bytes(
    tmp_path: Path, uninterrupted: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("effopd.trajectory.workspace.WORK_PER_SAVE", 0)
    lab = Lab(tmp_path)
    for _ in range(3):  # one step of work each time
        with pytest.MonkeyPatch.context() as patch:
            killed_at(patch, Session, "log", 2)
            with pytest.raises(Killed):
                RUNS["effopd"](lab)
    assert hash_path(RUNS["effopd"](lab).folder) == uninterrupted["effopd"]


def test_a_killed_run_repeats_only_what_was_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("effopd.trajectory.workspace.WORK_PER_SAVE", 0)
    lab = Lab(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        killed_at(patch, Session, "log", 3)
        with pytest.raises(Killed):
            lab.opd()
    worked = steps_worked(monkeypatch)
    lab.opd()
    assert len(worked) == OPD.steps - 2


def test_a_finished_run_is_published_again_without_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    first = hash_path(lab.opd().folder)
    worked = steps_worked(monkeypatch)
    assert hash_path(lab.opd().folder) == first
    assert worked == []


LONGER: dict[str, Callable[[Lab, int], Trained]] = {
    "rl": lambda lab, steps: lab.rl(with_values(RL, steps=steps)),
    "ppo": lambda lab, steps: lab.rl(with_values(PPO, steps=steps)),
    "opd": lambda lab, steps: lab.opd(with_values(OPD, steps=steps)),
    "effopd": lambda lab, steps: lab.effopd(with_values(EFFOPD, steps=steps), SLOW_OPD),
}


@pytest.mark.parametrize("run", LONGER)
@pytest.mark.parametrize(("first", "second"), [(3, 6), (4, 5), (6, 3)])
def test_more_steps_go_on_and_fewer_start_again_with_the_bytes_of_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str, first: int, second: int
) -> None:
    expected = hash_path(LONGER[run](Lab(tmp_path / "at once"), second).folder)
    lab = Lab(tmp_path / "continued")
    LONGER[run](lab, first)
    worked = steps_worked(monkeypatch)
    found = LONGER[run](lab, second)
    assert hash_path(found.folder) == expected
    assert len(worked) == (second - first if second > first else second)
    assert len(found.metrics) == second


def test_another_key_starts_from_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path)
    lab.opd(key="a" * 16)
    worked = steps_worked(monkeypatch)
    lab.opd(key="b" * 16)
    assert len(worked) == OPD.steps


def test_a_nan_stops_the_run_names_the_step_and_keeps_what_was_good(
    tmp_path: Path, uninterrupted: dict[str, str], saving: None
) -> None:
    teacher = tiny.guesser(9, 1)

    def break_teacher(step: int) -> int:
        if step == 2:
            with torch.no_grad():
                teacher.lm_head.weight.fill_(torch.nan)
        return 0

    lab = Lab(tmp_path, teacher=lambda: teacher)
    with pytest.raises(NonFiniteError, match=r"^step 3: the teacher's "):
        lab.opd(search=tiny.AfterEach(break_teacher))
    (checkpoints,) = tmp_path.glob("scratch/run-*/checkpoints")
    assert stored_steps(checkpoints) == [0, 1, 2]
    for step in (0, 1, 2):
        assert all(tensor.isfinite().all() for tensor in read_checkpoint(checkpoints, step).values())
    assert [row["step"] for row in read_jsonl(tmp_path / "live" / "metrics.jsonl")] == [1, 2]
    assert not (tmp_path / "published").exists()
    repaired = Lab(tmp_path)
    assert hash_path(repaired.opd().folder) == uninterrupted["opd"], "and the repaired run goes on from there"


@pytest.mark.parametrize("file", ["tensors.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["truncated", "missing", "overwritten"])
def test_a_damaged_state_is_an_error_that_names_the_file_and_what_to_delete(
    tmp_path: Path, file: str, damage: str
) -> None:
    lab = Lab(tmp_path)
    lab.opd()
    (path,) = tmp_path.glob(f"scratch/run-*/state-*/{file}")
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"\x00" * len(content))
    with pytest.raises(DataError) as caught:
        lab.opd(with_values(OPD, steps=6))
    assert str(path) in str(caught.value)
    assert f"delete {path.parent.parent} to train this run from its beginning" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_state_is_kept_and_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("effopd.trajectory.workspace.WORK_PER_SAVE", 0)
    Lab(tmp_path).opd()
    assert [path.name for path in tmp_path.glob("scratch/run-*/state-*")] == ["state-00000004"]


def test_published_folders_hold_exactly_the_contract(tmp_path: Path) -> None:
    found = Lab(tmp_path).effopd(EFFOPD, SLOW_OPD)
    names = {path.relative_to(found.folder).as_posix() for path in found.folder.rglob("*") if path.is_file()}
    files = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    steps = {f"step-{step:06d}/{file}" for step in (0, 1, 2, 4) for file in files}
    assert names == steps | {"metrics.jsonl", "triggers.jsonl", "run.json"}
    text = "".join(path.read_text() for path in found.folder.rglob("*.json*"))
    assert str(tmp_path) not in text, "no absolute paths"


# Other settings than before the kill


def opened(lab: Lab, key: str, steps: int = 4, per_octave: int = 1, **mappings: dict[str, Any]) -> Session:
    engine = TorchEngine(lab.student(), lab.optimizer, OPD.learning_rate)
    return Session(
        engine=engine,
        tokenizer=tiny.tokenizer(),
        workspace=Workspace(lab.root / "scratch", "run", key, **mappings),
        live=lab.root / "live",
        last_step=steps,
        kept_steps=checkpoint_steps(steps, per_octave),
    )


def work(session: Session, steps: int) -> None:
    for _ in zip(range(steps), session.steps(), strict=False):
        session.log(loss=1.0)


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A run of eight steps that was killed in its sixth."""
    monkeypatch.setattr("effopd.trajectory.workspace.WORK_PER_SAVE", 0)
    lab = Lab(tmp_path)
    before = {"params.yaml: opd.loss": "jsd", "models/base": "1"}
    work(opened(lab, "a" * 16, 8, decided_by=before, rounded_by={"optimizer.micro_batch": 32}), 6)
    return lab


def test_a_run_goes_on_with_other_settings_of_rounding_and_its_record_says_so(
    killed: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    session = opened(killed, "a" * 16, 8, rounded_by={"optimizer.micro_batch": 4})
    assert session.state.step == 5
    assert caplog.messages == ["run goes on from step 5 with optimizer.micro_batch 4 instead of 32"]
    work(session, 4)
    session.publish(killed.root / "published", {})
    about = read_json(killed.root / "published/run.json")
    assert about == {"continued": [{"step": 5, "optimizer.micro_batch": [32, 4]}]}


def test_a_start_that_leaves_a_state_says_which_and_what_has_changed(
    killed: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    session = opened(killed, "b" * 16, 8, decided_by={"params.yaml: opd.loss": "sampled", "models/base": "1"})
    assert session.state.step == 0
    (line,) = caplog.messages
    folder = killed.root / "scratch" / f"run-{'a' * 16}"
    said = f"run begins anew, not from the 5 steps in {folder}: other than then is params.yaml: opd.loss"
    assert line == said and folder.is_dir()


def test_a_start_that_drops_a_state_says_why(killed: Lab, caplog: pytest.LogCaptureFixture) -> None:
    assert opened(killed, "a" * 16, 8, per_octave=2).state.step == 0
    (line,) = caplog.messages
    assert line.endswith(": no checkpoint of step 3 was kept, and one is asked for")
    assert "begins anew and drops the 5 steps in" in line


def test_fewer_checkpoints_are_kept_of_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("effopd.trajectory.workspace.WORK_PER_SAVE", 0)
    lab = Lab(tmp_path)
    work(opened(lab, "a" * 16, 8, per_octave=2), 6)
    assert opened(lab, "a" * 16, 8, per_octave=1).state.step == 5


def test_fewer_steps_say_that_a_state_is_dropped(killed: Lab, caplog: pytest.LogCaptureFixture) -> None:
    assert opened(killed, "a" * 16, 4).state.step == 0
    (line,) = caplog.messages
    assert "begins anew and drops the 5 steps in" in line and ": they are more than 4" in line


@pytest.mark.parametrize(
    ("section", "values", "idle"),
    [
        ("engine", {"lora_rank": 0, "name": "torch"}, {"lora_alpha", "zero_stage", "offload_optimizer"}),
        ("engine", {"lora_rank": 2, "name": "deepspeed"}, set()),
        ("effopd", {"score": "teacher_kl", "rate": "follow"}, {"samples"}),
        ("effopd", {"score": "accuracy", "rate": "keep"}, {
            "score_share", "least_effective", "lower", "lowest_rate", "highest_rate"
        }),
    ],
)  # fmt: skip
def test_a_state_does_not_depend_on_keys_that_nothing_reads(
    section: str, values: dict[str, Any], idle: set[str]
) -> None:
    sections = check_file(ROOT / "params.yaml")
    assert set(with_values(getattr(sections, section), **values).idle()) == idle


def test_every_key_that_a_state_does_not_depend_on_is_one_of_params_yaml() -> None:
    sections = read_yaml(ROOT / "params.yaml")
    known = {f"{section}.{key}" for section, keys in sections.items() for key in keys}
    assert known.issuperset(CONTINUED_WITH)
