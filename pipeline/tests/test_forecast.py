"""The plan says what `dvc repro` then does, and why."""

import re
import shutil

import pytest
import yaml
from dvc_project import Project

from pipeline.plan import Expected
from pipeline.project.forecast import make_plan

CACHED, RESTORED, RAN, MAYBE = Expected


def forecast(project: Project, *targets: str, force: bool = False) -> dict[str, Expected]:
    plan = make_plan(project.root, targets, force=force)
    return {name: forecast.expected for name, forecast in plan.forecasts.items()}


def reasons(project: Project) -> dict[str, str]:
    return {name: forecast.reason for name, forecast in make_plan(project.root).forecasts.items()}


def what_repro_does(project: Project) -> dict[str, Expected]:
    """The truth, from the messages of a real `dvc repro`."""
    said = project.dvc("repro")
    outcome = dict.fromkeys(re.findall(r"Stage '(.*)' didn't change, skipping", said), CACHED)
    outcome |= dict.fromkeys(re.findall(r"Stage '(.*)' is cached - skipping run", said), RESTORED)
    return outcome | dict.fromkeys(re.findall(r"Running stage '(.*)':", said), RAN)


def test_everything_is_a_hit_when_nothing_changed(project: Project) -> None:
    assert set(forecast(project).values()) == {CACHED}
    assert set(reasons(project).values()) == {"unchanged"}


def test_planning_changes_nothing(project: Project) -> None:
    project.set_param("score", "samples", 8)
    before = project.outputs(), project.git("status", "--short")
    make_plan(project.root)
    assert (project.outputs(), project.git("status", "--short")) == before


def test_a_cold_project_misses_everywhere(cold: Project) -> None:
    assert set(forecast(cold).values()) == {RAN}
    why = reasons(cold)
    assert why["notes"] == "never run"
    assert why["score@0"] == "never run; after train@0"


@pytest.mark.slow
def test_a_param_reaches_its_stages_and_what_is_downstream_only(project: Project) -> None:
    project.set_param("score", "samples", 8)
    expected = forecast(project)
    assert expected == {
        "prepare": CACHED,
        "train@0": CACHED,
        "train@1": CACHED,
        "notes": CACHED,
        "score@0": RAN,
        "score@1": RAN,
        "report": MAYBE,
    }
    why = reasons(project)
    assert why["score@0"] == "score.samples: 4 -> 8"
    assert why["report"] == "after score@0, score@1"
    assert what_repro_does(project) == expected | {"report": RAN}


@pytest.mark.slow
def test_what_hangs_on_the_bytes_of_another_stage_may_run_or_not(project: Project) -> None:
    project.write("dvc.yaml", project.read("dvc.yaml").replace("work.py copy raw", "work.py  copy raw"))
    expected = forecast(project)
    assert expected == dict.fromkeys(expected, MAYBE) | {"prepare": RAN, "notes": CACHED}
    assert reasons(project)["score@1"] == "after train@1"
    assert what_repro_does(project) == dict.fromkeys(expected, CACHED) | {"prepare": RAN}


@pytest.mark.slow
def test_going_back_to_an_earlier_value_is_restored_all_the_way_down(project: Project) -> None:
    project.set_param("train", "steps", 5)
    project.dvc("repro", "-q")
    project.set_param("train", "steps", 3)
    expected = forecast(project)
    assert expected == {
        "prepare": CACHED,
        "notes": CACHED,
        "train@0": RESTORED,
        "train@1": RESTORED,
        "score@0": RESTORED,  # its input is a path inside a folder that is not there yet
        "score@1": RESTORED,
        "report": RESTORED,
    }
    assert "train.steps: 5 -> 3" in reasons(project)["train@1"]
    assert "models/run-0/last.txt changed by train@0" in reasons(project)["score@0"]
    assert what_repro_does(project) == expected


@pytest.mark.slow
def test_a_deleted_output_is_restored_and_a_lost_cache_is_not(project: Project) -> None:
    (project.root / "notes.txt").unlink()
    assert forecast(project)["notes"] is RESTORED
    assert reasons(project)["notes"] == "output notes.txt deleted"
    shutil.rmtree(project.root / ".dvc/cache/files")
    expected = forecast(project)
    assert expected["notes"] is RAN
    assert expected == what_repro_does(project)


def test_the_changed_code_file_is_named(project: Project) -> None:
    make_plan(project.root)  # a plan or a run that saw the folder before the edit
    project.write("code/b.py", "B = 2\n")
    project.write("code/c.py", "C = 1\n")
    assert reasons(project)["train@0"] == "code/b.py changed; code/c.py added"
    shutil.rmtree(project.root / ".dvc/tmp/prefect")
    assert reasons(project)["train@0"] == "code changed"


def test_an_edited_command_and_an_edited_file_are_named(project: Project) -> None:
    project.write("dvc.yaml", project.read("dvc.yaml").replace("copy words.txt", "copy  words.txt"))
    project.write("raw.txt", "other data\n")
    why = reasons(project)
    assert why["notes"] == "command changed"
    assert why["prepare"] == "raw.txt changed"
    assert why["train@0"] == "after prepare"


def test_a_steady_stage_changes_the_forecast_of_nothing_behind_it(project: Project) -> None:
    document = yaml.safe_load(project.read("dvc.yaml"))
    document["stages"]["prepare"]["meta"] = {"prefect": {"steady": True}}
    project.write("dvc.yaml", yaml.safe_dump(document))
    project.write("raw.txt", "other data\n")
    assert forecast(project) == dict.fromkeys(forecast(project), CACHED) | {"prepare": RAN}
    (project.root / "data.txt").unlink()  # so that nothing is known of what will be there
    assert forecast(project)["train@0"] is MAYBE


def test_force_misses_everywhere_upstream_of_the_target(project: Project) -> None:
    assert forecast(project, "score@0", force=True) == {"prepare": RAN, "train@0": RAN, "score@0": RAN}
