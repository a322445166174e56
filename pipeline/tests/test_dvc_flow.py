"""The flow against the real DVC and a real Prefect server: cold, warm, flipped, failing, parallel, retried, alone."""

import base64
import contextvars
import threading
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
import yaml
from dvc_project import Project, wait_until
from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.client.schemas.sorting import ArtifactSort
from prefect.runtime import flow_run
from prefect.states import Cancelling, Completed
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.flow import repro
from pipeline.outcome import Outcome
from pipeline.picture import COLOURS, RUNNING

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("server")]


def run(project: Project, **parameters: object) -> State[Any]:
    return repro(workspace=str(project.root), return_state=True, **parameters)  # type: ignore[call-overload]


def table(state: State[Any], key: str) -> list[dict[str, Any]]:
    """The rows of one of the run's table artifacts, as the server has them."""
    assert state.state_details.flow_run_id is not None
    with get_client(sync_client=True) as client:
        (found,) = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])),
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id])),
        )
    rows = yaml.safe_load(found.data) if isinstance(found.data, str) else found.data
    assert isinstance(rows, list)
    return [{name: plain(value) for name, value in row.items()} for row in rows]


def plain(value: object) -> object:
    """Without the marks of code, in which the pages show the names of instances."""
    return value.replace("`", "") if isinstance(value, str) else value


def outcomes(state: State[Any]) -> dict[str, str]:
    return {row["stage"]: row["outcome"] for row in table(state, "dvc-summary")}


def task_runs(state: State[Any], expected: int) -> Mapping[str, Any]:
    """The run's task runs by name; the server learns of them a moment later than the flow."""
    flow_run_id = state.state_details.flow_run_id
    with get_client(sync_client=True) as client:
        for _ in range(100):
            found = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])))  # type: ignore[list-item]
            if len(found) == expected and all(task.state and task.state.is_final() for task in found):
                return {task.name: task for task in found}
            time.sleep(0.1)
    raise AssertionError(f"{len(found)} of {expected} task runs: {[(task.name, task.state_name) for task in found]}")


def pictures() -> list[UUID]:
    """The runs' pictures of the DAG, the newest first."""
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["dvc-dag"])), sort=ArtifactSort.CREATED_DESC
        )
    return [artifact.id for artifact in found]


def picture() -> str:
    """The newest picture, as it is now."""
    with get_client(sync_client=True) as client:
        found = client.request("GET", "/artifacts/{id}", path_params={"id": pictures()[0]}).json()["data"]
    return base64.b64decode(found.partition(",")[2]).decode()


ALL = ("prepare", "train@0", "train@1", "score@0", "score@1", "notes", "report")


def test_a_cold_run_gives_the_bytes_and_the_lock_of_dvc_repro_and_a_warm_run_is_all_cached(
    cold: Project, finished: Project
) -> None:
    state = run(cold)
    assert state.is_completed() and state.message == "7 RAN"
    assert outcomes(state) == dict.fromkeys(ALL, "RAN")
    assert cold.outputs() == finished.outputs()  # and dvc.lock in the same order
    assert "up to date" in cold.dvc("status")

    before = cold.outputs()
    state = run(cold)
    assert outcomes(state) == dict.fromkeys(ALL, "CACHED")
    assert cold.outputs() == before
    tasks = task_runs(state, expected=7)
    assert {task.state_name for task in tasks.values()} == {"Cached"}
    # the edges that the UI draws are those of the DAG
    names = {task.id: name for name, task in tasks.items()}
    edges = {name: {names[edge.id] for edge in task.task_inputs.get("wait_for", [])} for name, task in tasks.items()}
    assert edges["report"] == {"score@0", "score@1"} and edges["score@1"] == {"train@1"}


def test_a_flipped_param_runs_only_what_is_downstream_and_flipping_back_restores(project: Project) -> None:
    original = project.read("params.yaml")
    project.write("params.yaml", original.replace("samples: 4", "samples: 8"))
    state = run(project)
    changed = {"score@0": "RAN", "score@1": "RAN", "report": "RAN"}
    assert outcomes(state) == dict.fromkeys(ALL, "CACHED") | changed
    why = {row["stage"]: row["reason"] for row in table(state, "dvc-summary")}
    assert why["score@0"] == "score.samples: 4 -> 8"
    assert [row["expected"] for row in table(state, "dvc-plan") if row["stage"] == "report"] == ["MAYBE"]

    project.write("params.yaml", original)
    state = run(project)
    assert outcomes(state) == dict.fromkeys(ALL, "CACHED") | dict.fromkeys(changed, "RESTORED")
    assert {name: task.state_name for name, task in task_runs(state, 7).items()}["report"] == "Restored"
    assert "up to date" in project.dvc("status")


def test_an_experiment_vouches_for_no_stage_that_its_run_did_not_look_at(project: Project) -> None:
    """Its copy has the other outputs too, made with the old params: the next run must not take them for new ones."""
    state = run(project, targets="score@0", overrides="score.samples=8", experiment="part")
    assert outcomes(state) == {"prepare": "CACHED", "train@0": "CACHED", "score@0": "RAN"}
    state = run(project, overrides="score.samples=8", experiment="part")
    assert outcomes(state) == dict.fromkeys(ALL, "CACHED") | {
        "score@0": "RESTORED", "score@1": "RAN", "report": "RAN"
    }  # fmt: skip
    state = run(project, overrides="score.samples=8", experiment="whole")
    assert outcomes(state)["score@1"] == "RESTORED"
    copies = project.root / ".dvc/tmp/prefect/runs"
    assert (
        (copies / "whole/score-1.json").read_text()
        == (copies / "part/score-1.json").read_text()
        != project.read("score-1.json")
    )


def test_a_part_of_a_project_that_never_ran_becomes_an_experiment(cold: Project) -> None:
    state = run(cold, targets="train@1", overrides="train.steps=4", experiment="part")
    assert state.is_completed() and outcomes(state) == {"prepare": "RAN", "train@1": "RAN"}


def test_new_inputs_with_the_same_bytes_stop_the_wave(project: Project) -> None:
    project.write("raw.txt", "some data\n")
    project.write("work.py", project.read("work.py") + "\n# a comment\n")
    document = yaml.safe_load(project.read("dvc.yaml"))
    document["stages"]["train"]["deps"].remove("work.py")
    project.write("dvc.yaml", yaml.safe_dump(document))
    state = run(project, targets="train@0")
    assert outcomes(state) == {"prepare": "RAN", "train@0": "CACHED"}
    assert "same" in table(state, "dvc-summary")[1]["reason"]


def test_a_stage_that_is_steady_in_name_alone_does_no_harm(project: Project) -> None:
    document = yaml.safe_load(project.read("dvc.yaml"))
    document["stages"]["prepare"]["meta"] = {"prefect": {"steady": True}}
    project.write("dvc.yaml", yaml.safe_dump(document))
    project.write("raw.txt", "other data\n")
    assert outcomes(run(project, targets="score")) == {
        "prepare": "RAN", "train@0": "RAN", "train@1": "RAN", "score@0": "CACHED", "score@1": "CACHED"
    }  # fmt: skip
    assert "up to date" in project.dvc("status", "score")


def test_a_failing_stage_skips_what_needs_it_and_nothing_else(cold: Project) -> None:
    cold.write("dvc.yaml", cold.read("dvc.yaml").replace("copy words.txt", "copy poison.txt"))
    cold.write("raw.txt", "poison\n")
    cold.write("poison.txt", "fine\n")
    state = run(cold)
    assert state.is_failed()
    assert "prepare: raw.txt: poison found" in (state.message or "")
    skipped = dict.fromkeys(("train@0", "train@1", "score@0", "score@1", "report"), "SKIPPED")
    assert outcomes(state) == {"prepare": "FAILED", "notes": "RAN", **skipped}
    why = {row["stage"]: row["reason"] for row in table(state, "dvc-summary")}
    assert why["report"] == "upstream failed: prepare"
    tasks = task_runs(state, expected=7)
    assert tasks["prepare"].state_name == "Failed" and tasks["prepare"].run_count == 1  # no retry could help
    assert tasks["report"].state_name == "Skipped" and tasks["report"].state.message == "upstream failed: prepare"

    command = CliRunner().invoke(app, ["run", "--root", str(cold.root)])
    assert command.exit_code == 1
    assert command.stdout.splitlines()[-1].startswith("Failed: 1 CACHED, 1 FAILED, 5 SKIPPED. prepare: raw.txt: poison")
    assert CliRunner().invoke(app, ["run", "notes", "--root", str(cold.root)]).exit_code == 0


def test_a_killed_stage_is_tried_again(project: Project) -> None:
    project.write("once.sh", "[ -e tried ] || { touch tried; kill -9 $$; }\necho second try > notes.txt\n")
    document = yaml.safe_load(project.read("dvc.yaml"))
    document["stages"]["notes"] |= {"cmd": "sh once.sh", "meta": {"prefect": {"retries": 1, "retry_delay": 0}}}
    project.write("dvc.yaml", yaml.safe_dump(document))
    state = run(project, targets="notes")
    assert state.is_completed()
    assert project.read("notes.txt") == "second try\n"
    assert task_runs(state, expected=1)["notes"].run_count == 2


def test_two_siblings_run_side_by_side(project: Project) -> None:
    """Each waits half way until both have come there, which one after the other they never would."""
    project.set_param("train", "steps", 4)
    project.write("hold", "until both have come half way\n")
    steps = [project.root / f".scratch/models/run-{seed}" for seed in (0, 1)]
    met, shown = [], []

    def release() -> None:
        try:
            wait_until(lambda: all(step.exists() and step.read_text() == "3" for step in steps))
            met.append(True)
            wait_until(lambda: pictures() != before)
            shown.append(picture().count(RUNNING))
        finally:
            (project.root / "hold").unlink()

    before = pictures()
    releasing = threading.Thread(target=contextvars.copy_context().run, args=(release,))
    releasing.start()
    state = run(project, targets="train", max_parallel=2)
    releasing.join()
    assert shown == [2], "the picture frames both while they run"
    assert RUNNING not in picture() and picture().count(COLOURS[Outcome.RAN]) == 2 + 1  # and the legend's
    assert met and outcomes(state) == {"prepare": "CACHED", "train@0": "RAN", "train@1": "RAN"}
    assert "up to date" in project.dvc("status", "train")


def test_a_cancel_that_comes_last_of_all_is_heeded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is cached, so the run is over before anybody looks at the server for the second time."""

    def cancel(*_: object) -> State[Any]:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(flow_run.id, Cancelling())  # type: ignore[arg-type]
        return Completed()

    monkeypatch.setattr("pipeline.flow.final_state", cancel)
    state = run(project)
    assert state.is_cancelled()
    with get_client(sync_client=True) as client:
        kept = client.read_flow_run(state.state_details.flow_run_id).state  # type: ignore[arg-type]
    assert kept is not None and kept.is_cancelled()


def test_progress_of_a_stage_is_an_artifact(project: Project) -> None:
    project.set_param("train", "seconds", 0.5)
    state = run(project, targets="train@1")
    with get_client(sync_client=True) as client:
        (found,) = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["progress-train-1"])),
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id])),  # type: ignore[list-item]
        )
    assert found.data == 100.0
    assert found.description == "`train@1`: step 3 of 3, loss 0.3333"


def test_a_second_run_is_refused_while_the_first_uses_the_workspace(project: Project) -> None:
    from pipeline.workspace import choose_workspace, exclusive

    place = choose_workspace(project.root)
    with exclusive(place, wait=False, say=print):
        state = run(project, busy="refuse")
    assert state.is_failed()
    assert "is in use by process" in (state.message or "")
    assert run(project, busy="refuse").is_completed()


@pytest.mark.parametrize(
    ("remote", "reason"),
    [("", "no remote specified"), ("ssh://nowhere.invalid/srv/dvc", "ssh"), ("s3://no-such-bucket/dvc", "s3")],
)
def test_a_remote_that_cannot_be_used_is_said_before_any_stage_runs(project: Project, remote: str, reason: str) -> None:
    project.set_param("score", "samples", 8)
    if remote:
        project.dvc("remote", "add", "--default", "away", remote)
    state = run(project, share=True)
    message = state.message or ""
    assert state.is_failed() and message.startswith("share: the DVC remote cannot be used: ") and reason in message
    assert "Hit us up" not in message and "\n" not in message
    assert task_runs(state, expected=0) == {}


def without_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        for what in ("NAME", "EMAIL"):
            monkeypatch.delenv(f"GIT_{role}_{what}")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")


def test_an_experiment_that_git_would_not_commit_is_refused_before_any_stage_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_identity(monkeypatch)
    state = run(project, overrides="score.samples=9")
    assert state.is_failed() and "no email was given" in (state.message or "")
    assert "set git's user.name and user.email" in (state.message or "") and "\n" not in (state.message or "")
    assert task_runs(state, expected=0) == {}


def test_an_experiment_is_by_whom_the_projects_own_git_names(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    without_identity(monkeypatch)
    project.git("config", "user.name", "of this project")
    project.git("config", "user.email", "project@example.org")
    assert run(project, overrides="report.title=new", experiment="mine").message == "1 RAN, 6 CACHED"
    assert "of this project" in project.git(
        "log", "-1", "--format=%an", project.git("for-each-ref", "--format=%(refname)", "refs/exps").split()[0]
    )
