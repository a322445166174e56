"""params.yaml: the project's own file passes; every kind of poison is one line that names the key."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from effopd.params.opd import OPDParams
from effopd.params.schema import Params, check_file
from effopd.params.section import ParamsError, parse, read_section

ROOT = Path(__file__).parents[2]
OWN: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
ABSENT = object()


def leaves(values: dict[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found = []
    for name, value in values.items():
        found += leaves(value, (*prefix, name)) if isinstance(value, dict) else [((*prefix, name), value)]
    return found


LEAVES = leaves(OWN)
KEYS = [key for key, _ in LEAVES]


def poisoned(key: tuple[str, ...], value: Any) -> dict[str, Any]:
    values = copy.deepcopy(OWN)
    section = values
    for name in key[:-1]:
        section = section[name]
    if value is ABSENT:
        del section[key[-1]]
    else:
        section[key[-1]] = value
    return values


def line(error: ParamsError, path: Path) -> str:
    text = str(error)
    assert text.startswith(f"{path}: ") and "\n" not in text and len(text) < 400
    return text.removeprefix(f"{path}: ")


def message(key: tuple[str, ...], value: Any) -> str:
    path = Path("a/params.yaml")
    with pytest.raises(ParamsError) as caught:
        parse(Params, "", poisoned(key, value), path)
    return line(caught.value, path)


def message_of_file(path: Path) -> str:
    with pytest.raises(ParamsError) as caught:
        check_file(path)
    return line(caught.value, path)


def test_the_projects_own_file_passes_and_holds_every_key() -> None:
    params = check_file(ROOT / "params.yaml")
    assert params.model_dump() == OWN


def sections(model: type[BaseModel]) -> list[type[BaseModel]]:
    found = [model]
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += sections(field.annotation)
    return found


def test_no_section_fills_in_a_default() -> None:
    """What is not written in params.yaml would change results without DVC's notice."""
    for section in sections(Params):
        for name, field in section.model_fields.items():
            assert field.is_required(), f"{section.__name__}.{name}"


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_a_missing_key_is_named(key: tuple[str, ...]) -> None:
    assert message(key, ABSENT) == f"{'.'.join(key)}: field required"


FREE = {"report", "data", "model", "interventions", "prompt", "engine", "teacher", "benchmark"}
"""Sections in which some text may be anything, or a list may be empty."""
OF_ANOTHER_TYPE = [
    (key, poison)
    for key, own in LEAVES
    for poison in (None, {"a": 1}, "3x", "nan", [])
    if type(own) is not type(poison) or key[0] not in FREE
]


@pytest.mark.parametrize(("key", "value"), OF_ANOTHER_TYPE, ids=[f"{'.'.join(k)}={v}" for k, v in OF_ANOTHER_TYPE])
def test_a_value_of_another_type_is_named(key: tuple[str, ...], value: Any) -> None:
    assert message(key, value).startswith(f"{'.'.join(key)}: ")


NUMBERS = [(key, value) for key, value in LEAVES if isinstance(value, int | float) and not isinstance(value, bool)]
LISTS = [(key, value) for key, value in LEAVES if isinstance(value, list) and value]


@pytest.mark.parametrize(("key", "value"), NUMBERS, ids=[".".join(key) for key, _ in NUMBERS])
def test_truth_values_strings_infinities_and_negatives_are_no_numbers(key: tuple[str, ...], value: float) -> None:
    for poison in (True, str(value), math.nan, math.inf, -math.inf, -1, -0.5):
        assert message(key, poison).startswith(f"{'.'.join(key)}: "), poison
    if isinstance(value, int):
        for poison in (float(value), value + 0.5):
            assert message(key, poison).startswith(f"{'.'.join(key)}: "), poison


@pytest.mark.parametrize(("key", "value"), LISTS, ids=[".".join(key) for key, _ in LISTS])
def test_elements_of_lists_are_checked_and_named_by_their_place(key: tuple[str, ...], value: list[Any]) -> None:
    last = len(value)
    for poison in (True, 2 if isinstance(value[0], str) else "2", None, math.nan):
        assert message(key, [*value, poison]).startswith(f"{'.'.join(key)}.{last}: "), poison
    assert message(key, value[0]).startswith(f"{'.'.join(key)}: ")


@pytest.mark.parametrize("key", [("extra",), *dict.fromkeys((*key[:-1], "extra") for key in KEYS)], ids=".".join)
def test_an_unknown_key_is_named_beside_those_that_are_known_there(key: tuple[str, ...]) -> None:
    inside: Any = OWN
    for name in key[:-1]:
        inside = inside[name]
    assert message(key, 1) == f"{'.'.join(key)}: unknown key (known: {', '.join(inside)})"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("run.seed", 2**32, "run.seed: input should be less than 4294967296, found 4294967296"),
        ("run.replicates", [0, 0], "run.replicates: must be distinct and not negative, found [0, 0]"),
        ("run.replicates", [-1], "run.replicates: must be distinct and not negative, found [-1]"),
        ("data.operations", 0, "data.operations: input should be greater than or equal to 1, found 0"),
        ("data.demonstrations.correct", 1.01, "data.demonstrations.correct: "),
        ("data.demonstrations.correct", 0.7, "data.demonstrations: correct + guess is larger than 1"),
        ("data.demonstrations.min_operations", 7, "data.demonstrations: min_operations is larger than max_operations"),
        ("model.heads", 5, "model: hidden_size must be a multiple of 2 * heads"),
        ("model.kv_heads", 3, "model: heads must be a multiple of kv_heads"),
        ("optimizer.beta1", 1.0, "optimizer.beta1: input should be less than 1, found 1.0"),
        ("optimizer.max_grad_norm", 0, "optimizer.max_grad_norm: input should be greater than 0, found 0"),
        ("optimizer.micro_batch", 0, "optimizer.micro_batch: "),
        ("base.learning_rate", 0.0, "base.learning_rate: "),
        ("rl.group_size", 0, "rl.group_size: input should be greater than or equal to 1, found 0"),
        ("rl.group_size", 1, "rl: a group_size of 1 needs ppo: grpo compares the completions of a prompt"),
        ("rl.gae_lambda", 1.5, "rl.gae_lambda: input should be less than or equal to 1, found 1.5"),
        ("rl.value_clip", 0.0, "rl.value_clip: input should be greater than 0, found 0.0"),
        ("rl.critic_learning_rate", 0, "rl.critic_learning_rate: input should be greater than 0, found 0"),
        ("rl.clip", 1.0, "rl.clip: "),
        ("rl.algorithm", "reinforce", "rl.algorithm: input should be "),
        (
            "opd.loss",
            "kl",
            "opd.loss: input should be 'sampled', 'exopd', ",
        ),
        ("opd.jsd_beta", 1.0, "opd.jsd_beta: "),
        ("opd.jsd_beta", 0.0, "opd.jsd_beta: "),
        ("opd.importance_cap", 0.9, "opd.importance_cap: "),
        ("opd.sweep", [1e-3, 1e-3], "opd.sweep: learning rates must be positive and distinct, found [0.001, 0.001]"),
        ("opd.sweep", [0.0], "opd.sweep: learning rates must be positive and distinct, found [0.0]"),
        ("effopd.accept", ">>", "effopd.accept: input should be '>=' or '>', found '>>'"),
        ("effopd.anchor", "W", "effopd.anchor: "),
        ("effopd.scope", "mlp", "effopd.scope: "),
        ("effopd.optimizer", "drop", "effopd.optimizer: "),
        ("effopd.multipliers", [], "effopd.multipliers: "),
        ("opd.sweep", [], "opd.sweep: "),
        ("run.replicates", [], "run.replicates: "),
        ("evaluate.pass_at", [], "evaluate.pass_at: "),
        ("evaluate.confidence", 1.0, "evaluate.confidence: "),
        ("evaluate.pass_at", [0], "evaluate.pass_at: pass@k needs k of at least 1, found [0]"),
        ("evaluate.pass_at", [1, 99], "evaluate.pass_at asks for more completions than evaluate.samples draws"),
        ("report.target_share", 1.2, "report.target_share: "),
        ("report.target_share", 0, "report.target_share: "),
        ("trajectory.per_octave", 9, "trajectory.per_octave: "),
    ],
)
def test_values_out_of_range_are_named(key: str, value: Any, expected: str) -> None:
    assert message(tuple(key.split(".")), value).startswith(expected)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("effopd.multipliers", [0]),
        ("effopd.multipliers", [2, 4, 6, 8, 10]),
        ("opd.learning_rate", 1),
        ("optimizer.beta1", 0),
        ("rl.kl_coefficient", 0),
        ("rl.gae_lambda", 0),
        ("report.target_share", 1),
        ("run.seed", 0),
        ("opd.sweep", [1e-05]),
    ],
)
def test_values_at_the_edge_of_the_range_pass(key: str, value: Any) -> None:
    parse(Params, "", poisoned(tuple(key.split(".")), value))


@pytest.mark.parametrize("section", list(OWN))
@pytest.mark.parametrize("value", [None, 5, [1], "x"], ids=str)
def test_a_section_that_is_none_is_named(section: str, value: Any) -> None:
    assert message((section,), value).startswith(f"{section}: ")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "expected sections at the top level, found NoneType"),
        (b"- 1\n", "expected sections at the top level, found list"),
        (b"run: {seed: 1\n", "not valid YAML: "),
        (b"run:\n  seed: 1\n  seed: 2\n", "not valid YAML: "),
        (b"run: \xff\xfe\n", "not valid YAML: "),
        (b"run: !!python/object/apply:os.system ['false']\n", "not valid YAML: "),
    ],
    ids=["empty", "list", "open", "twice", "bytes", "code"],
)
def test_what_is_no_mapping_of_sections_is_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    assert message_of_file(path).startswith(expected)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert message_of_file(tmp_path / "absent.yaml") == "no such file"
    assert message_of_file(tmp_path).startswith("cannot be read")


def test_a_stage_reads_its_own_section_alone(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    with path.open("w", encoding="utf-8") as stream:
        YAML().dump(poisoned(("rl", "steps"), "many"), stream)
    assert message_of_file(path).startswith("rl.steps: ")
    assert read_section(path, "opd", OPDParams).model_dump() == OWN["opd"]
    with pytest.raises(ParamsError) as caught:
        read_section(path, "op", OPDParams)
    assert str(caught.value) == f"{path}: op: the section is missing"
    with pytest.raises(ParamsError) as caught:
        parse(OPDParams, "opd", OWN["opd"] | {"steps": 0}, path)
    assert str(caught.value).startswith(f"{path}: opd.steps: ")


def test_sections_cannot_be_changed() -> None:
    params = check_file(ROOT / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        params.opd.steps = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"interventions": {"methods": ["foo"]}}, r"interventions\.methods\.0: input should be 'opd' or 'effopd'"),
        (
            {"benchmark": {"datasets": ["aime24"], "runs": ["opd-9"]}},
            r"benchmark\.runs: opd-9 is none of .*: rl, ",
        ),
        ({"benchmark": {"datasets": ["aime24"]}, "run": {"replicates": [1]}}, r"benchmark\.runs: effopd-0 is none"),
    ],
)
def test_runs_that_nothing_trains_are_named_before_anything_trains(changed: dict[str, Any], said: str) -> None:
    values = copy.deepcopy(OWN)
    for section, keys in changed.items():
        values[section] |= keys
    with pytest.raises(ParamsError, match=said):
        parse(Params, "", values)
