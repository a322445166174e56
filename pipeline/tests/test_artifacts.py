"""Progress and pictures as a browser gets them."""

import xml.etree.ElementTree as ElementTree

import pytest

from pipeline.artifacts import coded, describe, diff_table, percentage, slug
from pipeline.dag import Dag, Hints, StageNode
from pipeline.outcome import Outcome
from pipeline.picture import COLOURS, HEIGHT, RUNNING, draw


@pytest.mark.parametrize(
    ("record", "percent"),
    [
        ({"step": 16, "steps": 64}, 25.0),
        ({"progress": 0.5}, 50.0),
        ({"step": 70, "steps": 64}, 100.0),
        ({"loss": 1}, 0.0),
    ],
)
def test_percentage_comes_from_steps_or_a_fraction(record: dict[str, object], percent: float) -> None:
    assert percentage(record) == percent


def test_progress_names_step_loss_and_accuracy() -> None:
    record = {"step": 12, "steps": 64, "loss": 0.312345, "accuracy": 0.5, "run": "opd-0"}
    assert describe("opd@0", record) == "`opd@0`: step 12 of 64, loss 0.3123, accuracy 0.5"


def test_a_stage_name_becomes_a_key_that_prefect_allows() -> None:
    assert slug("sweep@1.0e-4") == "sweep-1-0e-4"


def test_a_diff_is_a_table_with_one_row_per_value() -> None:
    diff = {
        "params.yaml": {"train.lr": {"old": 0.1, "new": 0.25, "diff": 0.15}, "train.kind": {"old": None, "new": "a|b"}}
    }
    assert diff_table(diff).splitlines()[2:] == [
        "| params.yaml | train.lr | 0.1 | 0.25 | 0.15 |",
        "| params.yaml | train.kind |  | a\\|b |  |",
    ]
    assert diff_table({}) == "No changes."


def test_the_picture_shows_every_stage_once_left_of_what_needs_it_without_overlap() -> None:
    edges = {"a": (), "b": (), "c<1>": ("a", "b"), "d": ("c<1>",)}
    dag = Dag({name: StageNode(name, upstream, Hints()) for name, upstream in edges.items()})
    outcomes = {"a": Outcome.CACHED, "b": Outcome.FAILED, "c<1>": Outcome.SKIPPED}
    root = ElementTree.fromstring(draw(dag, outcomes))
    space = "{http://www.w3.org/2000/svg}"
    boxes = [box for box in root.iter(f"{space}rect") if box.get("height") == str(HEIGHT)]
    texts = [text.text for text in root.iter(f"{space}text")]
    assert texts == [*edges, *COLOURS]
    place = dict(zip(texts, boxes, strict=True))
    x = {name: float(place[name].attrib["x"]) for name in edges}
    for name, upstream in edges.items():
        for up in upstream:
            assert x[up] + float(place[up].attrib["width"]) < x[name]
    assert abs(float(place["a"].attrib["y"]) - float(place["b"].attrib["y"])) > HEIGHT
    assert [place[name].attrib["fill"] for name in edges] == [
        *(COLOURS[outcome] for outcome in outcomes.values()),
        "white",
    ]
    assert len(list(root.iter(f"{space}path"))) == 3
    frames = [box.get("stroke") for box in ElementTree.fromstring(draw(dag, outcomes, {"d"})).iter(f"{space}rect")]
    assert frames.count(RUNNING) == 1


def test_names_of_instances_are_code_and_the_rest_is_as_it_was() -> None:
    assert coded("after sweep@0.001, opd@0 and base: me @ home") == "after `sweep@0.001`, `opd@0` and base: me @ home"
