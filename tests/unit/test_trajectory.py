"""The schedule of checkpoints against its definition, and a store that names what is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch

from effopd.files import DataError, hash_path, write_text
from effopd.models.weights import load_weights, save_weights
from effopd.trajectory.layout import timing_file
from effopd.trajectory.schedule import checkpoint_steps
from effopd.trajectory.store import read_checkpoint, step_folder, stored_steps
from effopd.trajectory.workspace import RunState, Workspace


@pytest.mark.parametrize(
    ("steps", "per_octave", "expected"),
    [
        (64, 1, [0, 1, 2, 4, 8, 16, 32, 64]),
        (80, 1, [0, 1, 2, 4, 8, 16, 32, 64, 80]),
        (1, 1, [0, 1]),
        (3, 1, [0, 1, 2, 3]),
        (80, 2, [0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 80]),
        (16, 3, [0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16]),
        (12, 4, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12]),
    ],
)
def test_checkpoints_double_and_end_with_the_last_step(steps: int, per_octave: int, expected: list[int]) -> None:
    assert checkpoint_steps(steps, per_octave) == expected


@pytest.mark.parametrize("per_octave", range(1, 9))
def test_a_longer_run_keeps_what_a_shorter_one_kept_but_for_its_last(per_octave: int) -> None:
    longest = set(checkpoint_steps(300, per_octave))
    for steps in range(1, 300):
        kept = checkpoint_steps(steps, per_octave)
        assert kept == sorted(set(kept)) and kept[0] == 0 and kept[-1] == steps
        assert set(kept[:-1]) <= longest
        assert {step for step in (1, 2, 4, 8, 16, 32, 64, 128, 256) if step <= steps} <= set(kept)


def state(step: int) -> RunState:
    return RunState(step, {"weights/a": torch.full((2, 2), float(step))}, [{"step": s} for s in range(1, step + 1)])


def test_the_newest_state_that_is_not_too_far_comes_back(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "run", "k" * 16)
    assert workspace.load(at_most=9) is None
    workspace.save(state(3))
    found = workspace.load(at_most=3)
    assert found is not None
    assert (found.step, found.metrics, found.triggers, found.timing) == (
        3,
        [{"step": 1}, {"step": 2}, {"step": 3}],
        [],
        [],
    )
    assert found.tensors["weights/a"].tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert workspace.load(at_most=2) is None


def test_of_two_states_that_a_kill_left_the_newer_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path, "run", "k" * 16)
    with monkeypatch.context() as patch:
        patch.setattr("effopd.trajectory.workspace.remove", lambda path: None)  # killed before the old one was dropped
        workspace.save(state(9))
        workspace.save(state(10))
    assert len(list(workspace.folder.iterdir())) == 2
    newest, older = workspace.load(at_most=10), workspace.load(at_most=9)
    assert newest is not None and newest.step == 10
    assert older is not None and older.step == 9


def test_a_save_that_fails_leaves_the_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path, "run", "k" * 16)
    workspace.save(state(1))

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("effopd.trajectory.workspace.write_json", fail)
        with pytest.raises(OSError, match="disk full"):
            workspace.save(state(2))
    found = workspace.load(at_most=9)
    assert found is not None and found.step == 1
    assert [path.name for path in workspace.folder.iterdir()] == ["state-00000001"]


def test_runs_and_keys_have_folders_of_their_own(tmp_path: Path) -> None:
    folders = {Workspace(tmp_path, run, key).folder for run in ("opd-0", "opd-1") for key in ("a" * 64, "b" * 64)}
    assert len(folders) == 4 and {folder.parent for folder in folders} == {tmp_path}


def test_saving_waits_until_enough_work_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]

    def save_weights_slowly(path: Path, tensors: dict[str, torch.Tensor]) -> None:
        clock[0] += 2.0
        save_weights(path, tensors)

    monkeypatch.setattr("effopd.trajectory.workspace.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("effopd.trajectory.workspace.save_weights", save_weights_slowly)
    workspace = Workspace(tmp_path, "run", "k" * 16)
    assert workspace.due(), "the first step is saved"
    workspace.save(state(1))
    assert not workspace.due()
    clock[0] += 39.0  # a save took 2 s: at most 5 % of the time
    assert not workspace.due()
    clock[0] += 1.0
    assert workspace.due()


def run_of(root: Path, steps: list[int]) -> Path:
    for step in steps:
        folder = step_folder(root / "run", step)
        folder.mkdir(parents=True)
        save_weights(folder / "model.safetensors", {"w": torch.full((2,), float(step))})
    return root / "run"


def test_stored_steps_are_read_from_folder_names(tmp_path: Path) -> None:
    run = run_of(tmp_path, [16, 0, 2, 1000000])
    for name in ("step-3", "step-00000x", "steps-000004", ".step-000005.77.tmp"):
        (run / name).mkdir()
    assert stored_steps(run) == [0, 2, 16, 1000000]
    assert step_folder(run, 8).name == "step-000008"
    assert read_checkpoint(run, 16)["w"].tolist() == [16.0, 16.0]


@pytest.mark.parametrize("makes_folder", [True, False])
def test_a_run_without_checkpoints_is_named(tmp_path: Path, makes_folder: bool) -> None:
    if makes_folder:
        (tmp_path / "run").mkdir()
    with pytest.raises(DataError, match=r"run: no checkpoints \(step-000000, …\) in this folder"):
        stored_steps(tmp_path / "run")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b"\xff" * 100),
        lambda path: torch.save({"w": torch.zeros(2)}, path),
    ],
    ids=["missing", "empty", "cut", "overwritten", "pickle"],
)
def test_a_damaged_checkpoint_is_named_in_one_line(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    run = run_of(tmp_path, [2])
    file = run / "step-000002" / "model.safetensors"
    damage(file)
    with pytest.raises(DataError) as caught:
        read_checkpoint(run, 2)
    assert str(caught.value).startswith(f"{file}: ") and "\n" not in str(caught.value)


def test_a_flipped_byte_of_a_header_is_named_or_read_past_and_nothing_else(tmp_path: Path) -> None:
    file = run_of(tmp_path, [2]) / "step-000002" / "model.safetensors"
    content = file.read_bytes()
    messages = []
    for position in range(len(content)):
        file.write_bytes(content[:position] + bytes([content[position] ^ 0x55]) + content[position + 1 :])
        try:
            load_weights(file)
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 40
    assert all(message.startswith(f"{file}: ") for message in messages)


def test_weights_keep_every_bit_and_equal_weights_equal_bytes(tmp_path: Path) -> None:
    tensors = {"b": torch.tensor([-0.0, 1e-45, 3.4e38]), "a": torch.arange(6.0).view(2, 3).T}
    save_weights(tmp_path / "one", tensors)
    save_weights(tmp_path / "two", {name: tensors[name].clone() for name in ("a", "b")})
    found = load_weights(tmp_path / "one")
    assert found["b"].view(torch.int32).equal(tensors["b"].view(torch.int32))
    assert found["a"].equal(tensors["a"])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_seconds_are_found_by_the_content_of_the_runs_metrics_from_every_workspace(tmp_path: Path) -> None:
    for run, text in (("a/run", "1\n"), ("b/run", "2\n"), ("c/run", "1\n")):
        write_text(tmp_path / run / "metrics.jsonl", text)
    first, second, third = (timing_file(tmp_path / workspace / "run") for workspace in "abc")
    assert first == third != second
    assert first.parent == tmp_path / "costs"


def test_a_home_that_cannot_be_written_to_costs_the_seconds_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EFFOPD_COSTS", str(tmp_path / "file" / "costs"))
    workspace = Workspace(tmp_path / "scratch", "run", "k" * 16)
    workspace.publish(tmp_path / "models/run", [], RunState(1, {}, metrics=[{"step": 1}]), {"run": "run"})
    assert (tmp_path / "models/run/metrics.jsonl").exists()
    assert "its seconds were not kept" in caplog.text


TRAINS = """\
import sys, pathlib
from effopd.files import DataError
from effopd.trajectory.workspace import Workspace
try:
    Workspace(pathlib.Path(sys.argv[1]), "run", "k" * 16)
    print("trains", flush=True)
    sys.stdin.read()
except DataError as error:
    print(error)
"""


def test_two_processes_never_train_in_one_scratch_folder(tmp_path: Path) -> None:
    """After SIGKILL to what started the first, say, which does not reach it."""

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", TRAINS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    with start() as first:
        assert first.stdout is not None and first.stdout.readline() == "trains\n"
        with start() as second:
            said, _ = second.communicate()
        assert said.startswith(str(tmp_path))
        assert said.endswith(f": process {first.pid} still trains this run; wait for it, or end it\n")
        first.kill()
    with start() as third:
        assert third.communicate()[0] == "trains\n"


def test_publishing_replaces_an_earlier_run_and_a_failure_leaves_it(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "scratch", "run", "k" * 16)
    run_of(workspace.checkpoints.parent, [0, 1, 2])
    (workspace.checkpoints.parent / "run").rename(workspace.checkpoints)
    target = tmp_path / "models" / "run"
    write_text(target / "step-000099" / "stale", "x")
    workspace.publish(target, [0, 2], state(2), {"run": "run"})
    assert stored_steps(target) == [0, 2], "the steps that were asked for, and nothing stale"
    before = hash_path(target)
    with pytest.raises(FileNotFoundError):
        workspace.publish(target, [0, 7], state(2), {"run": "run"})
    assert hash_path(target) == before
    assert tiny.read_jsonl(target / "metrics.jsonl") == [{"step": 1}, {"step": 2}]
    assert not (target / "triggers.jsonl").exists()


def test_no_state_is_kept_of_inputs_that_are_not_what_its_key_says(tmp_path: Path) -> None:
    def changed() -> None:
        raise ArithmeticError("an input changed")

    with pytest.raises(ArithmeticError, match="an input changed"):
        Workspace(tmp_path, "run", "k" * 16, check=changed).save(state(1))
    assert not (tmp_path / "run-kkkkkkkkkkkkkkkk").exists()


def test_a_state_of_another_key_is_refused_though_its_folder_has_the_name(tmp_path: Path) -> None:
    other, workspace = (Workspace(tmp_path, "run", key) for key in ("a" * 64, "b" * 64))
    other.save(state(1))
    other.folder.rename(workspace.folder)
    with pytest.raises(DataError, match=r"state-00000001: a state of another run; delete .*run-b* to train"):
        workspace.load(at_most=1)


def test_a_checkpoint_that_was_written_to_since_is_neither_continued_nor_published(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "scratch", "run", "k" * 64)
    run_of(workspace.checkpoints.parent, [0, 1])
    (workspace.checkpoints.parent / "run").rename(workspace.checkpoints)
    workspace.save(state(1))
    workspace.publish(tmp_path / "models/run", [0, 1], state(1), {})
    again = Workspace(tmp_path / "scratch", "run", "k" * 64)
    assert again.load(at_most=1) is not None, "another link is no change"
    with (tmp_path / "models/run/step-000001/model.safetensors").open("r+b") as published:
        published.write(b"x")
    for act in (
        lambda: workspace.publish(tmp_path / "models/run", [0, 1], state(1), {}),
        lambda: Workspace(tmp_path / "scratch", "run", "k" * 64).load(at_most=1),
    ):
        with pytest.raises(DataError, match=r"step-000001/model\.safetensors: changed since it was saved"):
            act()


@pytest.mark.parametrize(
    "content", ["{}", "[]", "1", '{"key": 1}', '{"key": "KEY", "checkpoints": {}}', '{"key": "KEY"}', "[" * 100_000]
)
def test_a_damaged_state_is_one_line_that_says_what_to_do(tmp_path: Path, content: str) -> None:
    workspace = Workspace(tmp_path, "run", "k" * 64)
    workspace.save(state(1))
    (workspace.folder / "state-00000001/state.json").write_text(content.replace("KEY", "k" * 64))
    (workspace.folder / "state-of-the-art").mkdir()
    with pytest.raises(DataError, match=r"delete .* to train this run from its beginning") as caught:
        workspace.load(at_most=1)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700
