"""A plan made by another process is the plan that would be made here."""

import pytest
from dvc_project import Project

from pipeline import scout
from pipeline.errors import PipelineError
from pipeline.forecast import make_plan
from pipeline.workspace import choose_workspace, claim, exclusive


def test_a_scout_that_waits_sees_the_files_as_they_are_when_it_is_asked(project: Project) -> None:
    scout.send_ahead(project.root, (), force=False, at_once=False)
    project.set_param("score", "samples", 8)
    found = scout.plan(project.root, ("score",), force=False, check=True)
    assert found == make_plan(project.root, ("score",))
    assert found.forecasts["score@0"].reason == "score.samples: 4 -> 8"


def test_a_scout_that_sets_out_at_once_answers_the_same(project: Project) -> None:
    scout.send_ahead(project.root, ("score",), force=True, at_once=True)
    assert scout.plan(project.root, ("score",), force=True, check=True) == make_plan(
        project.root, ("score",), force=True
    )


@pytest.mark.parametrize("at_once", [False, True])
def test_what_a_scout_complains_of_is_raised_where_the_plan_was_asked_for(project: Project, at_once: bool) -> None:
    project.write("prefect.yaml", "pipeline: {check: sh -c 'echo steps is bad >&2; exit 3'}\n")
    scout.send_ahead(project.root, ("no-such-stage",), force=False, at_once=at_once)
    with pytest.raises(PipelineError) as caught:
        scout.plan(project.root, ("no-such-stage",), force=False, check=True)
    assert str(caught.value) == "sh: steps is bad"  # before what DVC says of the target


def test_without_a_scout_the_plan_is_made_here(project: Project) -> None:
    with pytest.raises(PipelineError) as caught:
        scout.plan(project.root, ("no-such-stage",), force=False, check=True)
    assert "'no-such-stage' not found" in str(caught.value)
    assert scout.plan(project.root, (), force=True, check=True) == make_plan(project.root, force=True)


def test_a_claimed_workspace_is_kept_until_its_run_has_ended(project: Project) -> None:
    place = choose_workspace(project.root)
    assert claim(place) and not claim(place)
    with exclusive(place, wait=False, say=print):
        assert not claim(place)
        with pytest.raises(PipelineError), exclusive(place, wait=False, say=print):
            pass
    with exclusive(place, wait=False, say=print):
        assert not claim(place)
