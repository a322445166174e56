"""The `effopd` command: numbers that are right, and mistakes that end in one line and a status."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import tiny

from effopd import cli
from effopd.models.store import save_model
from effopd.sandbox.run import SandboxError
from effopd.tasks import code
from effopd.tasks.problems import Problem, write_problems

ROOT = Path(__file__).parents[2]


def run(patch: pytest.MonkeyPatch, *arguments: str | Path) -> int | str:
    """The exit status, or the line that goes to stderr with status 1."""
    patch.setattr(sys, "argv", ["effopd", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code or 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and problems."""
    root = tmp_path_factory.mktemp("world")
    save_model(root / "base", tiny.guesser(), tiny.tokenizer())
    write_problems(root / "test.parquet", tiny.problems(6))
    return root


def test_check_passes_the_projects_own_params(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert run(monkeypatch, "check") == 0
    assert capsys.readouterr().out == "params.yaml: ok\n"


def test_evaluate_prints_the_accuracy_of_the_completions_that_it_shows(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("evaluate", world / "base", world / "test.parquet", "--samples", "1", "--max-new-tokens", "5")
    assert run(monkeypatch, *arguments, "--show", "6", "--batch-size", "4") == 0
    first, greedy, *shown = capsys.readouterr().out.splitlines()
    scores = [float(line[0]) for line in shown]
    assert [line.partition("?")[0][3:] + "?" for line in shown] == [p.prompt for p in tiny.problems(6)]
    assert all(score == (line.partition("#")[2] == "3") for score, line in zip(scores, shown, strict=True))
    found = re.fullmatch(r"avg@1  (\d\.\d{3})  \((\d\.\d{3})–(\d\.\d{3}), 6 problems\)", first)
    assert found and float(found[1]) == pytest.approx(sum(scores) / 6, abs=5e-4)
    assert float(found[2]) <= float(found[1]) <= float(found[3])
    assert re.fullmatch(r"greedy \d\.\d{3}", greedy)
    run(monkeypatch, *arguments, "--show", "6", "--batch-size", "64")
    assert capsys.readouterr().out.splitlines() == [first, greedy, *shown], "the batch size changes nothing"


def test_mistakes_are_one_line_that_names_the_file(
    world: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(world / "base", damaged)
    (damaged / "model.safetensors").write_bytes(b"\x00" * 50)
    (tmp_path / "params.yaml").write_text("run: {seed: 1}\n")
    write_problems(tmp_path / "chess.parquet", [Problem("chess", "1?", "2")])
    good, problems = world / "base", world / "test.parquet"
    mistakes: list[tuple[Sequence[str | Path], str]] = [
        (["check", tmp_path / "absent.yaml"], f"{tmp_path / 'absent.yaml'}: no such file"),
        (["check", tmp_path / "params.yaml"], f"{tmp_path / 'params.yaml'}: run.replicates: field required"),
        (["evaluate", tmp_path / "absent", problems], f"{tmp_path / 'absent'}: not a model folder"),
        (["evaluate", damaged, problems], f"{damaged / 'model.safetensors'}: damaged weights"),
        (["evaluate", good, tmp_path / "absent.parquet"], f"{tmp_path / 'absent.parquet'}: no such file"),
        (["evaluate", good, tmp_path / "params.yaml"], f"{tmp_path / 'params.yaml'}: not a readable parquet file"),
        (["evaluate", good, tmp_path / "chess.parquet"], "no verifier for the task 'chess'"),
    ]
    for arguments, expected in mistakes:
        found = run(monkeypatch, *arguments)
        assert isinstance(found, str), arguments
        assert found.startswith(f"error: {expected}") and "\n" not in found


def test_a_missing_sandbox_is_one_line(world: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing() -> None:
        raise SandboxError("bwrap is not installed")

    monkeypatch.setattr(code, "check_sandbox", missing)
    write_problems(tmp_path / "code.parquet", [Problem("code", "1?", "{}")])
    found = run(monkeypatch, "evaluate", world / "base", tmp_path / "code.parquet")
    assert found == "error: to grade programs, bubblewrap is needed: bwrap is not installed"


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["check", "--nonsense"], ["evaluate"], ["evaluate", "a", "b", "--samples", "0"], ["spectrum", "a"]],
    ids=" ".join,
)
def test_wrong_options_are_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(monkeypatch, *arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1


def test_help_lists_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--help") == 0
    out = capsys.readouterr().out
    assert all(
        command in out
        for command in ("check", "evaluate", "spectrum", "align", "extrapolate", "rescale", "compare", "merge")
    )


def test_the_command_ends_with_a_status_and_without_a_traceback(tmp_path: Path) -> None:
    (script,) = entry_points(group="console_scripts", name="effopd")
    assert script.value == "effopd.cli:main"
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from effopd.cli import main; main()"
    (tmp_path / "params.yaml").write_text(json.dumps({"nonsense": 1}))
    failed, passed = (
        subprocess.run(
            [sys.executable, "-c", program, "check"], check=False, cwd=folder, capture_output=True, text=True
        )
        for folder in (tmp_path, ROOT)
    )
    assert failed.returncode == 1 and failed.stdout == ""
    assert failed.stderr.startswith("error: params.yaml: ") and failed.stderr.count("\n") == 1
    assert (passed.returncode, passed.stdout, passed.stderr) == (0, "params.yaml: ok\n", "")
