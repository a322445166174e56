"""The DAG is DVC's own: instances, edges, targets and hints."""

import pytest
import yaml
from dvc_example import DVC_YAML
from dvc_project import Project

from pipeline.dag import Hints
from pipeline.errors import PipelineError
from pipeline.project.repository import opened, read_dag


def test_matrix_is_expanded_and_edges_are_those_of_dvc(project: Project) -> None:
    with opened(project.root) as repo:
        dag, _ = read_dag(repo)
    assert {name: set(node.upstream) for name, node in dag.stages.items()} == {
        "prepare": set(),
        "train@0": {"prepare"},
        "train@1": {"prepare"},
        "score@0": {"train@0"},  # although it names a file inside the output
        "score@1": {"train@1"},
        "notes": set(),
        "report": {"score@0", "score@1"},
    }
    # independent reading of the same edges: DVC's command-line DAG
    dot = project.dvc("dag", "--dot")
    for name, node in dag.stages.items():
        for upstream in node.upstream:
            assert f'"{upstream}" -> "{name}"' in dot


def test_stages_come_after_what_they_need_and_waves_are_the_longest_path(project: Project) -> None:
    with opened(project.root) as repo:
        dag, _ = read_dag(repo)
    seen: set[str] = set()
    for name, node in dag.stages.items():
        assert seen >= set(node.upstream)
        seen.add(name)
    waves = {"prepare": 0, "notes": 0, "train@0": 1, "train@1": 1, "score@0": 2, "score@1": 2, "report": 3}
    assert dag.waves() == waves


@pytest.mark.parametrize(
    ("targets", "chosen"),
    [
        (("score@1",), {"prepare", "train@1", "score@1"}),
        (("train",), {"prepare", "train@0", "train@1"}),
        (("notes", "prepare"), {"notes", "prepare"}),
    ],
)
def test_targets_choose_what_dvc_repro_would_walk(project: Project, targets: tuple[str, ...], chosen: set[str]) -> None:
    with opened(project.root) as repo:
        dag, _ = read_dag(repo, targets)
    assert set(dag.stages) == chosen


def test_hints_are_interpolated_and_typed(project: Project) -> None:
    with opened(project.root) as repo:
        dag, _ = read_dag(repo)
    assert dag.stages["train@1"].hints == Hints(tags=("gpu",), timeout=300.0, progress="logs/1.jsonl")
    assert dag.stages["prepare"].hints == Hints()


@pytest.mark.parametrize(
    ("hints", "complaint"),
    [
        ({"retry": 1}, "stages.notes.meta.prefect.retry: unknown hint"),
        ({"timeout": "soon"}, "stages.notes.meta.prefect.timeout: expected seconds or a duration"),
        ({"retries": -1}, "stages.notes.meta.prefect.retries: expected a whole number"),
        ({"steady": 1}, "stages.notes.meta.prefect.steady: expected true or false"),
        ({"tags": "gpu"}, "stages.notes.meta.prefect.tags: expected a list"),
        ("gpu", "stages.notes.meta.prefect: expected a mapping"),
    ],
)
def test_a_bad_hint_is_refused_by_name(project: Project, hints: object, complaint: str) -> None:
    document = yaml.safe_load(DVC_YAML)
    document["stages"]["notes"]["meta"] = {"prefect": hints}
    project.write("dvc.yaml", yaml.safe_dump(document))
    with opened(project.root) as repo, pytest.raises(PipelineError) as caught:
        read_dag(repo)
    assert complaint in str(caught.value)


def test_errors_of_dvc_become_one_line(project: Project) -> None:
    with pytest.raises(PipelineError) as caught, opened(project.root) as repo:
        read_dag(repo, ("no-such-stage",))
    assert "no-such-stage" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(PipelineError, match="not the root of a DVC project"), opened(project.root / "code"):
        pass
