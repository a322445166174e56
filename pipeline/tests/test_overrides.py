"""Overrides change exactly the values that they name and refuse everything else in one line."""

from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from pipeline.errors import PipelineError
from pipeline.overrides import apply_overrides, name_of, parse_overrides
from pipeline.workspace import choose_workspace

DOCUMENT = """\
# the head
run:   # spacing is the author's
    seed: 1            # an integer
    rate: 1e-4
    ratio: 1.0
    name: "a name"     # quoted
    fast: false
    rates: [1.0e-4, 3.0e-4]   # a flow list
    steps:
      - 1
      - 2
      # a remark that belongs to what follows
    note: null
"""


def applied(line: str) -> str:
    return apply_overrides(DOCUMENT, parse_overrides(line))


@pytest.mark.parametrize(
    ("line", "old", "new"),
    [
        ("run.seed=7", "seed: 1 ", "seed: 7 "),
        ("run.ratio=2", "ratio: 1.0", "ratio: 2.0"),
        ("run.ratio=1e-5", "ratio: 1.0", "ratio: 1.0e-05"),
        ("run.ratio=-.inf", "ratio: 1.0", "ratio: -.inf"),
        ("run.name=3", '"a name"', '"3"'),
        ("run.name='two words'", '"a name"', '"two words"'),
        ("run.fast=true", "false", "true"),
        ("'run.rates=[1e-5, 2]'", "[1.0e-4, 3.0e-4]", "[1.0e-05, 2]"),
        ("'run.steps=[4]'", "\n      - 1\n      - 2", "\n      [4]"),
        ("run.note=text", "null", '"text"'),
        ("run.rates=[1e-5, 2]", "[1.0e-4, 3.0e-4]", "[1.0e-05, 2]"),
        ("run.steps=[ 2,\n 4 ]", "\n      - 1\n      - 2", "\n      [2, 4]"),
    ],
)
def test_only_the_named_value_changes_and_yaml_1_1_and_1_2_read_it_alike(line: str, old: str, new: str) -> None:
    text = applied(line)
    assert text == DOCUMENT.replace(old, new)
    key = line.strip("'").partition("=")[0].partition(".")[2]
    in_1_1, in_1_2 = yaml.safe_load(text)["run"][key], YAML(typ="safe", pure=True).load(text)["run"][key]
    assert in_1_1 == in_1_2 and type(in_1_1) is type(in_1_2)


@pytest.mark.parametrize(
    ("document", "line", "changed"),
    [
        ("a:\n  b:\n  - 1\n  - 2\n  # on c\n  c: 1\n", "'a.b=[3, 4]'", "a:\n  b:\n    [3, 4]\n  # on c\n  c: 1\n"),
        ("b:\n- x: 1\n  y: 2\n# on c\nc: 1\n", "'b=[3]'", "b:\n  [3]\n# on c\nc: 1\n"),
        ("a:\n  b:\n  c: 1\n", "a.b=5", "a:\n  b: 5\n  c: 1\n"),
        ("a:\n  b:  # why\n\n  c:\n", "a.b=x a.c=y", 'a:\n  b: "x"  # why\n\n  c: "y"\n'),
        ("a: {b: , c: 1}\n", "a.b=5", "a: {b: 5 , c: 1}\n"),
        ("a: |\n  one\n  # two\n\n# on b\nb: 1\n", "a=three", 'a: "three"\n\n# on b\nb: 1\n'),
        ("a: &x 1\nb: 2\n", "a=3", "a: 3\nb: 2\n"),
    ],
)
def test_a_value_is_replaced_however_it_is_written(document: str, line: str, changed: str) -> None:
    assert apply_overrides(document, parse_overrides(line)) == changed


def test_a_list_can_be_replaced_after_dvc_has_written_the_file(tmp_path: Path) -> None:
    from dvc.utils.hydra import apply_overrides as let_dvc_write

    path = tmp_path / "params.yaml"
    path.write_text(DOCUMENT)
    let_dvc_write(str(path), ["run.seed=2"])
    assert "\n  - 1.0e-4\n" in path.read_text()
    text = apply_overrides(path.read_text(), parse_overrides("'run.rates=[5, 6]' 'run.steps=[7]'"))
    expected = yaml.safe_load(path.read_text())["run"] | {"rates": [5, 6], "steps": [7]}
    assert yaml.safe_load(text) == {"run": expected}


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ("a: &x 1\nb: *x\n", "a=3"),
        ("a: &x 1\nb: *x\n", "b=3"),
        ("a: &x\n  c: 1\nb: *x\n", "a.c=3"),
        ("a: &x\n  c: 1\nb:\n  <<: *x\n", "a.c=3"),
        ("a: {b, c: 1}\n", "a.b=3"),
        ("a: [1]\n", "a=[2020-01-01]"),
    ],
)
def test_a_value_that_cannot_be_changed_alone_is_refused_in_one_line(document: str, line: str) -> None:
    with pytest.raises(PipelineError) as caught:
        apply_overrides(document, parse_overrides(line))
    assert "would change other values too, or not arrive as it is" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_overrides_apply_together() -> None:
    text = applied("run.fast=true run.seed=12345 run.name=longer-than-before")
    assert yaml.safe_load(text)["run"] | {} == yaml.safe_load(DOCUMENT)["run"] | {
        "fast": True,
        "seed": 12345,
        "name": "longer-than-before",
    }


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("run.sed=7", "run.sed: params.yaml has no 'run.sed'; known there: seed, rate, ratio"),
        ("walk.seed=7", "params.yaml has no 'walk'; known there: run"),
        ("run.seed.deep=7", "params.yaml has no 'run.seed.deep'; known there: none"),
        ("run=7", "run is a section; name one of seed, rate"),
        ("run.seed=0.5", "run.seed: expected a whole number, got '0.5'"),
        ("run.seed=true", "run.seed: expected a whole number, got 'true'"),
        ("run.ratio=fast", "run.ratio: expected a number, got 'fast'"),
        ("run.ratio=true", "run.ratio: expected a number, got 'true'"),
        ("run.fast=1", "run.fast: expected true or false, got '1'"),
        ("run.rates=1", "run.rates: expected a list like [1, 2], got '1'"),
        ("run.seed", "'run.seed' is not of the form section.key=value"),
        ("=7", "'=7' is not of the form section.key=value"),
        ("run.seed=1 run.seed=2", "run.seed is given twice"),
        ("run.name='open", "No closing quotation"),
        ("run.rates=[1, 2 run.seed=7", "run.rates: '[1, 2 run.seed=7' is not YAML"),
        ("run.rates=1, 2", "'2' is not of the form section.key=value"),
    ],
)
def test_a_mistake_is_refused_in_one_line_that_names_it(line: str, complaint: str) -> None:
    with pytest.raises(PipelineError) as caught:
        applied(line)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_same_overrides_in_any_order_have_the_same_name() -> None:
    assert name_of(parse_overrides("a.b=1 c.d=2")) == name_of(parse_overrides("c.d=2 a.b=1"))
    assert name_of(parse_overrides("a.b=1")) != name_of(parse_overrides("a.b=2"))


@pytest.mark.parametrize(
    ("line", "begin"),
    [
        ("opd.learning_rate=0.003 evaluate.samples=8", "samples-8-learning-rate-0-003-"),
        ("opd.sweep=[1e-4, 3e-4]", "sweep-1e-4-3e-4-"),
        ("report.title=题", "title-"),
        ("ж.ж=题", "run-"),
        (f"report.title={'x' * 300}", f"title-{'x' * 34}-"),
    ],
)
def test_a_name_tells_of_the_overrides(line: str, begin: str) -> None:
    name = name_of(parse_overrides(line))
    assert name.startswith(begin) and len(name) == len(begin) + 8
    assert choose_workspace(Path("nowhere"), parse_overrides(line)).name == name
