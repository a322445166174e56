"""What stages share: the engine as params ask for it, engines that are not there, and what the small stages read."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_type_hints

import pytest
import tiny
import torch
from ruamel.yaml import YAML
from transformers import PreTrainedModel

from effopd.models.critic import make_critic
from effopd.params.report import ReportParams
from effopd.params.section import ParamsError, parse, read_yaml
from effopd.sandbox.run import SandboxError
from effopd.trajectory import layout
from stages import harness, seconds, timing
from stages.distilling import DistillingParams
from stages.harness import Stage, StageError
from stages.meaning import meaning, means_the_same
from stages.rl import RLStageParams
from stages.training import TrainingParams, build_engine

PARAMS = Path(__file__).parents[2] / "params.yaml"


def training_params(**engine: object) -> TrainingParams:
    values = read_yaml(PARAMS)
    values["engine"] |= engine
    sections = get_type_hints(TrainingParams).items()
    return TrainingParams(**{name: parse(section, name, values[name]) for name, section in sections})


@pytest.mark.parametrize("of", [lambda model: model, make_critic], ids=["policy", "critic"])
def test_activations_are_computed_again_by_torch_too_and_give_the_same_gradients(
    of: Callable[[PreTrainedModel], PreTrainedModel],
) -> None:
    gradients = []
    for checkpointing in (False, True):
        params = training_params(activation_checkpointing=checkpointing)
        model = of(tiny.model(layers=2))
        model.get_output_embeddings().weight.data.fill_(0.1)  # under a head of zeros nothing has a gradient
        engine = build_engine(model, torch.device("cpu"), params, 1e-3)
        assert engine.module.is_gradient_checkpointing == checkpointing
        engine.backward(engine.model(torch.tensor([[5, 6, 7, 8]]), use_cache=False).logits.square().mean())
        gradients.append({name: weight.grad for name, weight in engine.module.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], msg=lambda text, name=name: f"{name}: {text}")


def test_an_engine_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "packages_distributions", lambda: {"torch": ["torch"]})
    with pytest.raises(ParamsError, match=r"params\.yaml asks for vllm, which is not installed here"):
        harness.environment("vllm")
    assert "torch" in harness.environment()


def test_a_sandbox_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def main() -> None:
        raise SandboxError("bwrap is not installed")

    monkeypatch.setattr(harness.sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as caught:
        harness.run(main)
    assert caught.value.code == "error: bwrap is not installed"


def test_gathering_seconds_reads_no_checkpoint_and_no_dropped_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trajectories of a large model are terabytes, and nothing in them tells of seconds.

    A shorter list of replicates leaves folders behind, which no fresh clone has.
    """
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS.read_text())
    for name in ("opd-0", "opd-9", "rl"):
        folder = Path("models") / name
        (folder / "step-000000").mkdir(parents=True)
        (folder / "step-000000/model.safetensors").write_bytes(b"weights")
        (folder / "metrics.jsonl").write_text(json.dumps({"step": 1, "run": name}) + "\n")
    file = layout.timing_file(Path("models/rl"))
    file.parent.mkdir(parents=True)
    file.write_text('{"step": 1, "seconds": 2.5}\n')
    for name in ("opd-0", "opd-9", "rl"):
        seconds.main(name)

    read: list[Path] = []
    hash_path = harness.hash_path
    monkeypatch.setattr(harness, "hash_path", lambda path: (read.append(path), hash_path(path))[1])
    timing.main()
    assert json.loads(Path("reports/timing.json").read_text()) == {"opd-0": None, "rl": [{"step": 1, "seconds": 2.5}]}
    assert {Path("reports/seconds/opd-0.jsonl"), Path("reports/seconds/rl.jsonl")} <= set(read)
    assert not [path for path in read if path.parts[0] == "models" or "opd-9" in path.name]


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage that has read its params and an input, and written both of its outputs, one of which was there before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(harness, "SCRATCH", tmp_path / "scratch")
    Path("params.yaml").write_text(PARAMS.read_text())
    for name in ("data/read.txt", "made/old.txt"):
        Path(name).parent.mkdir()
        Path(name).write_text("old")
    code = tmp_path / "code.py"
    code.write_text("RATE = 1\n")
    monkeypatch.setattr(harness, "SOURCES", {code: code.read_bytes()})
    monkeypatch.setattr(harness, "_project_modules", lambda: [code])
    stage = Stage()
    stage.params("report", ReportParams)
    stage.input("data/read.txt")
    stage.output(Path("made/old.txt")).write_text("new")
    folder = stage.output(Path("made/folder"))
    folder.mkdir()
    (folder / "new.txt").write_text("new")
    return stage


def made() -> dict[str, str]:
    return {str(file.relative_to("made")): file.read_text() for file in Path("made").glob("[!.]*/**/*.txt")} | {
        file.name: file.read_text() for file in Path("made").glob("[!.]*.txt")
    }


def test_outputs_show_when_all_are_there_and_nothing_has_changed(begun: Stage) -> None:
    assert made() == {"old.txt": "old"}
    begun.publish()
    assert made() == {"old.txt": "new", "folder/new.txt": "new"}


def test_params_that_are_as_they_were_are_not_parsed_again(begun: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(harness, "parse_yaml")
    begun.publish()
    assert made()["old.txt"] == "new"


def test_code_is_taken_apart_once_however_often_it_is_asked_what_it_means(
    begun: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "ROOT", Path.cwd())
    begun.key()
    before = meaning.cache_info().misses
    begun.key("another purpose")
    begun.decided_by()
    assert meaning.cache_info().misses == before


EDITS: dict[str, Callable[[], object]] = {
    "params.yaml: report.title changed from": lambda: edit("params.yaml", "title: On", "title: Off"),
    "code.py changed": lambda: edit("code.py", "1", "2"),
    "data/read.txt changed": lambda: edit("data/read.txt", "old", "new"),
    "data/read.txt changed while": lambda: (
        shutil.copy2("data/read.txt", "kept"), edit("data/read.txt", "old", "x"), shutil.copy2("kept", "data/read.txt"),
    ),
}  # fmt: skip


def edit(file: str, before: str, after: str) -> None:
    Path(file).write_text(Path(file).read_text().replace(before, after))


@pytest.mark.parametrize("said", EDITS)
@pytest.mark.parametrize("when", ["before", "between the renames"])
def test_nothing_shows_where_something_has_changed(
    begun: Stage, monkeypatch: pytest.MonkeyPatch, said: str, when: str
) -> None:
    if when == "before":
        EDITS[said]()
    else:
        in_place = harness.in_place

        @contextmanager
        def slowly(temporaries: dict[Path, Path]) -> Iterator[None]:
            with in_place(temporaries):
                EDITS[said]()
                yield

        monkeypatch.setattr(harness, "in_place", slowly)
    with pytest.raises(StageError, match=f"^{re.escape(said)}.*; nothing was written, run the stage again$"):
        begun.publish()
    assert made() == {"old.txt": "old"}


def test_an_output_that_is_written_to_while_it_is_flushed_is_not_published(
    begun: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "sync", lambda temporary: temporary.is_dir() or temporary.write_text("another's"))
    with pytest.raises(StageError, match=r"made/old\.txt changed"):
        begun.publish()
    assert made() == {"old.txt": "old"}


@pytest.mark.parametrize(
    ("file", "before", "after"), [("params.yaml", "samples: 4", "samples: 5"), ("code.py", "RATE", "# a rate\nRATE")]
)
def test_params_that_the_stage_does_not_read_and_comments_may_change(
    begun: Stage, file: str, before: str, after: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(file, before, after)
    begun.check_before_save()
    begun.publish()
    assert made()["old.txt"] == "new" and capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("params.yaml", "title: On", "title: Off", "params.yaml: report.title changed from"),
        ("params.yaml", "report:", "report: [", "params.yaml: not valid YAML"),
        ("params.yaml", "report:", "report: 1\nrest:", "params.yaml: report.title changed from"),
        ("code.py", "1", "2", "code.py changed"),
        ("code.py", "= 1", "= (", "code.py changed"),
    ],
)
def test_an_edit_is_said_once_at_the_next_save_and_may_be_undone(
    begun: Stage, capsys: pytest.CaptureFixture[str], file: str, before: str, after: str, said: str
) -> None:
    content = Path(file).read_text()
    edit(file, before, after)
    for _ in range(2):
        begun.check_before_save()
    line = capsys.readouterr().err
    assert line.startswith(f"warning: {said}") and "unless that is undone" in line and line.count("\n") == 1
    Path(file).write_text(content)
    begun.check_before_save()
    assert capsys.readouterr().err == ""
    begun.publish()
    assert made()["old.txt"] == "new"


def test_a_training_stage_depends_on_the_params_that_its_own_choices_leave_a_meaning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(**changed: object) -> str:
        values = read_yaml(PARAMS)
        for name, value in {"rl__algorithm": "grpo", "opd__loss": "reverse_kl", **changed}.items():
            section, _, key = name.partition("__")
            values[section][key] = value
        with Path("params.yaml").open("w") as file:
            YAML().dump(values, file)
        stage = Stage()
        stage.read(DistillingParams)
        stage.read(RLStageParams)
        return stage.key()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(harness, "SCRATCH", tmp_path / "scratch")
    monkeypatch.setattr(harness, "_project_modules", lambda: [])
    for name in ("rollout__gpu_memory", "teacher__gpu_memory", "opd__jsd_beta", "rl__critic_learning_rate"):
        assert key(**{name: 0.123}) == key(), name
    assert key(engine__hostfile="machines") == key()
    assert key(rl__clip_high=0.7) == key() and key(rl__kl_coefficient=0.7) != key()
    for choice, name in [("opd__loss", "jsd"), ("rl__algorithm", "ppo"), ("opd__loss", "exopd")]:
        read = {"jsd": "opd__jsd_beta", "ppo": "rl__critic_learning_rate", "exopd": "opd__exopd_lambda"}[name]
        assert key(**{choice: name, read: 0.123}) != key(**{choice: name}), name


TEXT = '"""A module."""\n\n\ndef rate(step):\n    """At a step."""\n    return step * 2  # twice\n'


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (TEXT.replace("  # twice", ""), True),
        (TEXT.replace("At a step.", "The rate."), True),
        (TEXT.replace('    """At a step."""\n', ""), True),
        (TEXT.replace('"""A module."""\n', "# a module\n"), True),
        (TEXT.replace("step * 2", "(step\n            * 2)"), True),
        (TEXT.replace("2", "3"), False),
        (TEXT.replace("2", "2.0"), False),
        (TEXT.replace("return step", 'return "" or step'), False),
        (TEXT.replace("step", "time"), False),
        (TEXT + "if", False),
        (TEXT + "\0", False),
    ],
)
def test_code_is_known_by_what_it_means(other: str, same: bool) -> None:
    assert means_the_same(TEXT.encode(), other.encode()) is same


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "models/base"), "models/base: No space left on device"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (MemoryError(), "out of memory: this machine has too little of it"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory:\nyou tried"), "out of memory: DefaultCPUAllocator"),
        (StageError("x " * 5000), "x x x"),
    ],
)
def test_what_the_machine_lacks_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, said: str) -> None:
    def main() -> None:
        raise error

    monkeypatch.setattr(harness.sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as caught:
        harness.run(main)
    line = str(caught.value.code)
    assert line.startswith(f"error: {said}") and "\n" not in line and len(line) < 1100
