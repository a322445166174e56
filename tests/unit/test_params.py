"""params.yaml: the project's own file passes; every kind of poison is one line that names the key."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from effopd.params.opd import OPDParams
from effopd.params.schema import Params, check_file
from effopd.params.section import ParamsError, parse, read_section, read_yaml

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
    for poison in (True, str(value), math.nan, math.inf, -math.inf, -2, -0.5):
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
    said, _, known = message(key, 1).removesuffix(")").partition(" (known: ")
    assert said == f"{'.'.join(key)}: unknown key"
    assert sorted(known.split(", ")) == sorted(inside)  # in the schema's order, which is not that of every file


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
        ("opd.log_ratio_cap", 0.0, "opd.log_ratio_cap: "),
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


NO_NAMES = [
    "",
    ".",
    "..",
    "../x",
    "/x",
    "a/../b",
    "a//b",
    "-x",
    ".x",
    "a;b",
    "a b",
    "$(x)",
    "`x`",
    "'",
    '"',
    "a\nb",
    "a\0b",
    "x" * 300,
    "a\\b",
]
NAMED: dict[str, Callable[[str], tuple[tuple[str, ...], Any]]] = {
    "data.source": lambda name: (("data", "source"), name),
    "benchmark.datasets": lambda name: (("benchmark", "datasets"), [name]),
    "benchmark.runs": lambda name: (("benchmark", "runs"), ["rl", name]),
    "teacher.named": lambda name: (("teacher", "named"), {name: {key: OWN["teacher"][key] for key in TEACHER}}),
}
TEACHER = ("source", "revision", "engine", "url")
PLACED = {
    "model.source": ("model", "source"),
    "prompt.tokenizer": ("prompt", "tokenizer"),
    "teacher": ("teacher", "source"),
}


@pytest.mark.parametrize("name", NO_NAMES)
@pytest.mark.parametrize("key", NAMED)
def test_what_becomes_a_name_of_files_and_commands_is_one(key: str, name: str) -> None:
    assert message(*NAMED[key](name)).startswith(key)
    parse(Params, "", poisoned(*NAMED[key]("mine-2.b_C")) | {"benchmark": OWN["benchmark"]})


@pytest.mark.parametrize("place", [name for name in NO_NAMES if name and not name.startswith("/")])
@pytest.mark.parametrize("key", PLACED)
def test_a_place_is_a_name_or_a_folder(key: str, place: str) -> None:
    assert message(PLACED[key], place).startswith(f"{key}: ")


@pytest.mark.parametrize(
    "url", ["http://me:s3cret@host", "https://s3cret@host", "http://host/?key=s3cret", "http://host#s3cret"]
)
@pytest.mark.parametrize("key", [("benchmark", "url"), ("teacher", "url")])
def test_a_url_with_a_key_in_it_is_refused_and_not_repeated(key: tuple[str, ...], url: str) -> None:
    said = message(key, url)
    assert said == f"{'.'.join(key)}: must be a server's address alone: see docs/safety.md for keys"


@pytest.mark.parametrize(
    "url", ["host", "ftp://host", "http://", "http://a b", "http://[::1", "file:///etc/passwd", "http://h:999999"]
)
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    assert message(("benchmark", "url"), url).startswith("benchmark.url: must be empty, or the URL of a vLLM server")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://teacher-1.lab/v1", "http://[::1]:80", ""])
def test_a_url_of_a_server_passes(url: str) -> None:
    parse(Params, "", poisoned(("benchmark", "url"), url))


def test_a_rate_that_its_run_could_not_be_named_after_is_refused() -> None:
    """DVC names the output of a rate of 1 opd-lr-1, and Python opd-lr-1.0."""
    assert message(("opd", "sweep"), [1]).startswith("opd.sweep: a rate is written with a point")


ALIASES = "a: &a0 [1, 1]\n" + "".join(f"b{n}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (ALIASES, "more than 20 levels or 20000 values"),
        ("a: &a [*a]\n", "line 1: *a stands for itself"),
        ("a: " + "[" * 100_000, "more than 20 levels"),
        ("a: " + "{a: " * 100_000, "more than 20 levels"),
        ("a: [" + "1, " * 30_000 + "]", "more than 20 levels or 20000 values"),
        ("#" * (1 << 20) + "\n", "larger than 1 MiB"),
        ("a: " + "9" * 5000, "line 1: a value of 5000 characters"),
        ("a: " + "9" * 3000, "a: a number of more than 16 digits"),
        ("a: -" + "9" * 17, "a: a number of more than 16 digits"),
        ("a: {b: 0x" + "f" * 3000 + "}", "a.b: a number of more than 16 digits"),
        ('a: [1, "x\\0y"]', r"a.1: a character that cannot be printed, in 'x\x00y'"),
        ('"x\\0": 1', "top level: a character that cannot be printed"),
        ('a: "\\ud800"', "a: a character that cannot be printed"),
        ('a: "\\u202E"', "a: a character that cannot be printed"),
        ("a: 2020-01-01", "a: a date is no value here"),
        ("a: 2020-99-01", "not valid YAML: month must be in 1..12"),
        ("a: !!binary aGVsbG8=", "a: a bytes is no value here"),
        ("a: !!set {x}", "a: a set is no value here"),
        ("? [a, b]\n: 1", "top level: a tuple is no value here"),
        ("x" * 300 + ": {y: 2020-01-01}", "x" * 99 + "…: a date"),
    ],
    ids=range(20),
)
def test_what_nobody_would_set_is_refused_while_it_is_small(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(ParamsError) as caught:
        read_yaml(path)
    said = str(caught.value).removeprefix(str(path))
    assert said.lstrip(": ,").startswith(expected) and len(said) < 400


def test_a_long_value_is_shown_in_part() -> None:
    assert message(("opd", "loss"), "x" * 3000).endswith("x" * 98 + "…")


def test_values_that_are_repeated_by_aliases_pass(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: &a {x: 1, y: [1, 2]}\nb: *a\nc:\n  <<: *a\n  x: 2\n")
    assert read_yaml(path) == {"a": {"x": 1, "y": [1, 2]}, "b": {"x": 1, "y": [1, 2]}, "c": {"x": 2, "y": [1, 2]}}
