"""Training stages that are killed, edited under way, or asked for more steps."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from dvc_project import Project, wait_until
from installed import needs_bubblewrap

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LONGER = {"base": ("base", 60), "rl": ("rl", 24), "effopd@0": ("effopd", 32)}  # in-process tests resume the others


def start(project: Project, stage: str) -> subprocess.Popen[str]:
    """`dvc repro` of one stage as its user starts it, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "--single-item", "--force", stage],
        cwd=project.root, start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def live(project: Project, stage: str) -> Path:
    return project.root / "logs" / stage.replace("@", "-") / "metrics.jsonl"


def trained_steps(project: Project, stage: str) -> int:
    file = live(project, stage)
    return file.read_text().count("\n") if file.exists() else 0


def saved_steps(project: Project, run: str) -> list[int]:
    return [int(state.name.removeprefix("state-")) for state in (project.root / ".scratch").glob(f"{run}-*/state-*")]


def weights(project: Project, stage: str) -> dict[str, bytes]:
    folder = project.root / "models" / stage.replace("@", "-")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def start_afresh(project: Project) -> None:
    shutil.rmtree(project.root / ".scratch")
    shutil.rmtree(project.root / "logs")
    shutil.rmtree(project.root / ".dvc/cache/runs")


@pytest.mark.parametrize("stage", LONGER)
def test_a_stage_that_is_killed_goes_on_to_the_same_bytes(project: Project, stage: str) -> None:
    section, steps = LONGER[stage]
    project.set_param(section, "steps", steps)
    project.set_param("rl", "algorithm", "ppo")  # two models to go on with
    start_afresh(project)
    project.dvc("repro", "--single-item", stage)
    expected = weights(project, stage)
    start_afresh(project)
    for at_step in (2, steps // 2):  # the second kill hits a run that was resumed already
        process = start(project, stage)
        wait_until(lambda: process.poll() is not None or trained_steps(project, stage) >= at_step)  # noqa: B023
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    said = project.dvc("repro", "--single-item", "--force", stage)
    assert weights(project, stage) == expected
    assert f"| 0/{steps} " not in said, "it began at its first step"
    assert [path.name for path in project.root.rglob(".*.tmp") if ".dvc" not in path.parts] == []


def test_more_steps_continue_an_earlier_run(project: Project) -> None:
    project.set_param("opd", "steps", 12)
    said = project.dvc("repro", "--single-item", "opd@0")
    assert "| 8/12 " in said and "| 0/12 " not in said
    continued = weights(project, "opd@0")
    start_afresh(project)
    said = project.dvc("repro", "--single-item", "--force", "opd@0")
    assert "| 0/12 " in said
    assert weights(project, "opd@0") == continued


HARMLESS = [  # section, key, and another value than the usual one
    ("rollout", "mismatch_budget", 0.5), ("rollout", "gpu_memory", 0.3), ("optimizer", "micro_batch", 3),
    ("engine", "activation_checkpointing", True), ("run", "threads", 2), ("engine", "lora_alpha", 7),
    ("opd", "jsd_beta", 0.3), ("trajectory", "per_octave", 1),
]  # fmt: skip


def test_a_run_killed_half_way_goes_on_from_there_whatever_harmless_key_is_changed(
    project: Project, tmp_path: Path
) -> None:
    project.set_param("opd", "steps", 120)
    project.set_param("trajectory", "per_octave", 2)
    start_afresh(project)
    process = start(project, "opd@0")
    wait_until(lambda: process.poll() is not None or max(saved_steps(project, "opd-0"), default=0) >= 60)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    shutil.copytree(project.root / ".scratch", tmp_path / "killed")
    usual = project.read("params.yaml")
    for section, key, value in HARMLESS:
        shutil.rmtree(project.root / ".scratch")
        shutil.copytree(tmp_path / "killed", project.root / ".scratch")
        project.write("params.yaml", usual)
        project.set_param(section, key, value)
        assert project.read("params.yaml") != usual
        said = project.dvc("repro", "--single-item", "--force", "opd@0")
        (first,) = re.findall(r"\| (\d+)/120 ", said)[:1]
        assert int(first) >= 60, f"{section}.{key}: {said[-2000:]}"


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda project: project.set_param("opd", "loss", "forward_kl"), "params.yaml: opd.loss"),
        (
            lambda project: project.write(
                "effopd/losses/tokens.py", project.read("effopd/losses/tokens.py") + "EDITED = True\n"
            ),
            "effopd/losses/tokens.py",
        ),
    ],
    ids=["params", "code"],
)
def test_an_edit_while_a_stage_runs_fails_it_and_caches_nothing(project: Project, edit, named: str) -> None:
    project.set_param("opd", "steps", 40)
    before = project.read("dvc.lock")
    process = start(project, "opd@0")
    wait_until(lambda: process.poll() is not None or trained_steps(project, "opd@0") >= 9)
    edit(project)
    said, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert f"{named} changed" in said and "nothing was written, run the stage again" in said
    assert project.read("dvc.lock") == before
    assert not (project.root / "models/opd-0").exists()


def comment(project: Project, file: str) -> None:
    project.write(file, f"# {len(project.read(file))} bytes before this line\n{project.read(file)}")


def test_what_does_not_matter_to_a_stage_may_change_while_it_runs(project: Project) -> None:
    project.set_param("opd", "steps", 40)
    process = start(project, "opd@0")
    wait_until(lambda: process.poll() is not None or trained_steps(project, "opd@0") >= 9)
    project.set_param("report", "title", "edited meanwhile")
    comment(project, "effopd/losses/tokens.py")
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "didn't change, skipping" in project.dvc("repro", "--single-item", "opd@0")


@pytest.mark.parametrize(
    "edit",
    [
        lambda project: comment(project, "effopd/losses/tokens.py"),
        lambda project: project.set_param("opd", "jsd_beta", 0.25),
    ],
    ids=["a comment", "a param of another loss"],
)
def test_what_does_not_matter_trains_nothing_again(project: Project, edit) -> None:
    before = weights(project, "opd@0")
    edit(project)
    said = project.dvc("repro", "--single-item", "opd@0")
    assert "Running stage" in said and "| 8/8 " in said and "| 0/8 " not in said, "every step was there"
    assert weights(project, "opd@0") == before


def test_a_damaged_checkpoint_is_named(project: Project) -> None:
    file = next((project.root / "models/rl").glob("step-*4/*.safetensors"))
    content = file.read_bytes()
    file.unlink()  # it may be linked to the cache
    file.write_bytes(content[: len(content) // 2])
    said = project.dvc("repro", "--single-item", "--force", "spectral-rl", check=False)
    assert f"error: {file.relative_to(project.root)}" in said and "Traceback" not in said


def test_a_damaged_parquet_is_named(project: Project) -> None:
    file = project.root / "data/train.parquet"
    file.unlink()
    file.write_bytes(b"PAR1 but not for long")
    said = project.dvc("repro", "--single-item", "--force", "opd@0", check=False)
    assert "error: data/train.parquet" in said and "Traceback" not in said


@needs_bubblewrap
@pytest.mark.parametrize("stage", [["base"], ["opd", "--replicate", "0"]])
def test_a_place_that_cannot_be_written_is_named_before_the_first_step(project: Project, stage: list[str]) -> None:
    models = str(project.root / "models")
    start_afresh(project)
    command = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", models, models, "--", sys.executable, "-m"]
    name, *options = stage
    done = subprocess.run(
        [*command, f"stages.{name}", *options], cwd=project.root, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert re.search(r"^error: models/.*: Read-only file system$", done.stderr, re.MULTILINE), done.stderr[-2000:]
    assert not (project.root / "logs").exists(), "no step was made"
