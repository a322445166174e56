"""Profiles: all valid, all fit the machine they are meant for, and params.yaml keeps every comment."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from test_cli import run

from effopd.params.schema import check_file
from effopd.params.section import read_yaml
from effopd.planning.profile import profile_plan
from effopd.profiles import apply_profile, missing_pins, profile_names, with_profile

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "profiles"
NAMES = profile_names(PROFILES)
VALUES = read_yaml(ROOT / "params.yaml")
HEAD = "about: a test\nmachine: {gpus: 1, gpu_memory: 80GiB, memory: 1TiB, disk: 1TB}\nparams:\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path))


def comments(text: str) -> list[str]:
    return re.findall("#.*", text)


def test_the_papers_settings_are_there() -> None:
    distilled = {f"r1-distill-1.5b-{teacher}" for teacher in ("justrl", "brorl", "prorl")}
    assert {"qwen3-4b", "qwen3-4b-code", "qwen3-8b-base", "qwen2.5-7b"} | distilled <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_makes_a_valid_file_and_keeps_its_comments(file: Path, name: str) -> None:
    before = file.read_text()
    params, changes = apply_profile(name, PROFILES, file)
    after = file.read_text()
    assert check_file(file) == params and changes
    assert comments(after) == comments(before)
    old, touched = set(before.splitlines()), {change.key.rpartition(".")[2] for change in changes}
    for line in after.splitlines():
        assert line in old or line.split(":")[0].strip() in touched or line.startswith("  - "), line
    for section, keys in read_yaml(PROFILES / f"{name}.yaml")["params"].items():
        assert keys.items() <= read_yaml(file)[section].items()


@pytest.mark.parametrize("name", ["", *NAMES])
def test_dvc_changes_one_line_for_one_value(file: Path, name: str) -> None:
    if name:
        apply_profile(name, PROFILES, file)
    before = file.read_text()
    apply_overrides(str(file), ["run.seed=43"])  # what `dvc exp run -S` does
    assert file.read_text() == before.replace("seed: 42  ", "seed: 43  ")


LISTS = [
    f"{section}.{key}" for section, keys in VALUES.items() for key, value in keys.items() if isinstance(value, list)
]


@pytest.mark.parametrize("key", LISTS)
def test_dvc_can_empty_any_list_and_leaves_all_else_as_it_was(file: Path, key: str) -> None:
    """ruamel joins a later line without a comment to the next one; so no line that this can reach is without one."""
    section, _, name = key.partition(".")
    apply_overrides(str(file), [f"{key}=[]"])
    assert read_yaml(file) == {**VALUES, section: {**VALUES[section], name: []}}


@pytest.mark.parametrize("items", ["[0, 1]", "\n  - 0\n  - 1", "\n    - 0\n    - 1", "  # two\n  - 0\n  # and\n  - 1"])
@pytest.mark.parametrize("name", NAMES)
def test_a_profile_goes_over_a_file_however_its_lists_are_written(file: Path, name: str, items: str) -> None:
    written = re.sub(r"replicates:(.*)\n  - 0\n  - 1\n  - 2", f"replicates: {items}", file.read_text())
    file.write_text(re.sub("''", '""', written))
    params, _ = apply_profile(name, PROFILES, file)
    assert check_file(file) == params and params.run.replicates == [0]


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_fits_the_machine_that_it_is_meant_for(name: str) -> None:
    assert profile_plan(name, PROFILES, ROOT / "params.yaml").problems == ()


def test_a_profile_twice_changes_nothing_more(file: Path) -> None:
    apply_profile("qwen3-4b", PROFILES, file)
    once = file.read_bytes()
    _, changes = apply_profile("qwen3-4b", PROFILES, file)
    assert changes == [] and file.read_bytes() == once


def test_profiles_name_the_same_keys_so_that_one_can_follow_another(file: Path) -> None:
    def keys(values: Any, prefix: str = "") -> set[str]:
        nested = [keys(value, f"{prefix}{name}.") for name, value in values.items() if isinstance(value, dict)]
        return {f"{prefix}{name}" for name, value in values.items() if not isinstance(value, dict)}.union(*nested)

    named = {name: keys(read_yaml(PROFILES / f"{name}.yaml")["params"]) for name in NAMES}
    everything = set.union(*named.values())
    assert {name: sorted(everything - found) for name, found in named.items() if found != everything} == {}
    alone = file.with_name("alone.yaml")
    alone.write_bytes(file.read_bytes())
    apply_profile("qwen3-4b", PROFILES, alone)
    for name in (*NAMES, "qwen3-4b"):
        apply_profile(name, PROFILES, file)
    assert read_yaml(file) == read_yaml(alone)


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ("  model: {sorce: x}", "model.sorce: unknown key (known: source, revision"),
        ("  modle: {source: x}", "modle: unknown key (known: run, data"),
        ("  data: {demonstrations: {exampels: 3}}", "data.demonstrations.exampels: unknown key"),
        ("  opd: {loss: kl}", "opd.loss: input should be 'sampled', 'exopd'"),
        ("  engine: {ranks: 8}", "engine: the torch engine is one process"),
        ("  opd: 3", "params.opd: input should be a valid dictionary"),
    ],
)
def test_a_wrong_profile_is_named_and_changes_nothing(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overlay: str, said: str
) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/wrong.yaml").write_text(HEAD + overlay + "\n")
    before = file.read_bytes()
    found = str(run(monkeypatch, "profile", "wrong", "--file", file, "--folder", tmp_path / "profiles"))
    assert found.startswith(f"error: {tmp_path}/profiles/wrong.yaml: {said}") and "\n" not in found
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["params.yaml", "profiles"]


def test_the_command_says_what_changed_and_what_to_pin(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = file.read_bytes()
    arguments = ("profile", "qwen2.5-7b", "--file", file, "--folder", PROFILES)
    assert run(monkeypatch, *arguments, "--dry-run") == 0
    said = capsys.readouterr().out
    assert file.read_bytes() == before and "values would change" in said
    assert run(monkeypatch, *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "base.steps: 500 -> 0" in lines
    assert "To do: teacher.revision is empty: effopd pin --model Open-Reasoner-Zero/Open-Reasoner-Zero-7B" in lines
    assert read_yaml(file)["base"]["steps"] == 0


def test_a_model_without_a_pin_is_named_and_one_with_a_pin_is_not(file: Path) -> None:
    left = {name: missing_pins(with_profile(name, PROFILES, file)[1]) for name in NAMES}
    unpinned = ["teacher.revision is empty: effopd pin --model Open-Reasoner-Zero/Open-Reasoner-Zero-7B"]
    assert left == {name: unpinned if name == "qwen2.5-7b" else [] for name in NAMES}
    _, params, _ = with_profile("qwen3-8b-base", PROFILES, file)
    loose = params.model.model_copy(update={"revision": ""})
    assert missing_pins(params.model_copy(update={"model": loose})) == [
        "model.revision is empty: effopd pin --model Qwen/Qwen3-8B-Base"
    ]


def test_without_a_name_profiles_are_listed_with_what_they_need(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "profile", "--file", file, "--folder", PROFILES) == 0
    said = capsys.readouterr().out
    for name in NAMES:
        needs = r"\d+ GPUs of .*; estimated: \d+ GiB of each, [\d.]+ TB of disk, [\d,]+ hours$"
        assert re.search(rf"^{re.escape(name)} .*\n *{needs}", said, re.MULTILINE)
    assert str(run(monkeypatch, "profile", "qwen", "--folder", PROFILES)).startswith(
        "error: no profile named 'qwen'; known: "
    )
