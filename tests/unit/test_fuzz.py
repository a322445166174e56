"""Five thousand params files that nobody would write: each is refused in one line and soon, or can be planned."""

from __future__ import annotations

import copy
import io
import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from effopd.params.reading import LARGEST, check_values, read_yaml
from effopd.params.schema import Params, check, check_file
from effopd.params.section import ParamsError
from effopd.planning.plan import Machine, assumed_prompt, make_plan
from effopd.planning.published import student_shape, teaching
from effopd.planning.work import ON_CPU

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
OWN = read_yaml(ROOT / "params.yaml")
SEED = 20_261_128
VALUES: list[Any] = [
    None, True, False, "", " ", "x", "\0", "\n", "a\nb", "a;touch x", "$(touch x)", "`x`", "'", '"', "../x", "/",
    "/etc", ".", "..", "~", "-x", "--", "a/b/c", "a//b", "é" * 70, "x" * 300, "x" * 100_000, "\ud800", "\u202e",
    "http://", "http://a", "http://u:p@a", "https://a:99999999", "http://[::1", "file:///x", "javascript:1", "nan",
    "inf", "1e5", "0x10", "1", "true", "null", "[]", "{}", 0, -1, 1, 2, 3, 7, 2**31, 2**32, 2**53, 2**63, 2**64,
    10**15, 10**16, 10**400, -(10**400), 0.0, -0.0, 0.5, 1.0, 1.5, -1.5, 1e-320, 1e-8, 1e308, -1e308, math.inf,
    -math.inf, math.nan, [], [[]], [None], [1], [1, 1], [0.1], [-1], ["x"], ["x", "x"], [1] * 2000, [{}], {},
    {"x": 1}, {"": 1}, {1: 2}, {None: None}, {"x": {"x": {"x": []}}}, {"source": "rl"}, b"x", (1,), {1}, object(), 1j,
]  # fmt: skip
LINES = [
    "&a [*a]", "*a", "[" * 3000, "{a: " * 3000, "- " * 3000, "!!python/object:os.system x", "!!binary x",
    "!!timestamp 2001-99-99", "2001-01-01", "0x" + "f" * 3000, "9" * 3900, "9" * 5000, "1e400", "1_000", "0o7",
    "<<: 1", "? x", "|\n x", ">-\n x", "%YAML 9", "---", "...", "\t", "\x07", "\x85", "\ufeff", "'", '"', '"\\0"',
    '"\\ud800"', '"\\x', "#", ":", "@x", "`x", "&" + "a" * 9000 + " 1", "!<tag:yaml.org,2002:int> x", "{a, b}",
    "[1, 2", "~", "yes", "1:30", ".inf", ".nan", "-.inf", "\u2028x", "x" * 20_000,
]  # fmt: skip


def places(values: Any, key: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for name, inner in values.items() if isinstance(values, dict) else enumerate(values):
        yield (*key, name)
        if isinstance(inner, dict | list):
            yield from places(inner, (*key, name))


PLACES = list(places(OWN))


def mutated_values(draw: random.Random) -> dict[str, Any]:
    values = copy.deepcopy(OWN)
    for _ in range(draw.choice([1, 1, 1, 2, 4])):
        *above, name = draw.choice(PLACES)
        inside: Any = values
        try:
            for step in above:
                inside = inside[step]
            match draw.randrange(6):
                case 0:
                    del inside[name]
                case 1 if isinstance(inside, dict):
                    inside[draw.choice(VALUES[:60])] = inside[name]
                case 2 if isinstance(inside[name], int | float):
                    inside[name] *= draw.choice([-1, 0, 10, 1000, 0.5, 10**9, 10**300])
                case 3 if isinstance(inside[name], list):
                    inside[name].append(draw.choice(VALUES))
                case _:
                    inside[name] = copy.copy(draw.choice(VALUES))
        except (KeyError, IndexError, TypeError, OverflowError):
            continue  # an earlier change took the place away
    return values


def plain_text() -> str:
    text = io.StringIO()
    YAML().dump(OWN, text)
    return text.getvalue()


TEXT = plain_text()


def mutated_text(draw: random.Random) -> bytes:
    text = TEXT
    for _ in range(draw.choice([1, 1, 2, 5])):
        at = draw.randrange(len(text) + 1)
        until = at + draw.choice([1, 1, 3, 10, 200])
        match draw.randrange(6):
            case 0:
                text = text[:at] + draw.choice(LINES) + text[at:]
            case 1:
                text = text[:at] + text[until:]
            case 2:
                text = text[: at if draw.randrange(3) == 0 else None]
            case 3:
                text = text[:until] + text[at:]
            case 4:
                text = text[:at] + chr(draw.randrange(0xD7FF)) + text[at:]
            case 5:
                line = draw.choice(text.splitlines() or [""])
                text = text.replace(line, f"{line.partition(':')[0]}: {draw.choice(LINES)}", 1)
    content = bytearray(text.encode("utf-8", "surrogatepass"))
    if content and draw.randrange(4) == 0:
        content[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(content)


def plausible(params: Params) -> None:
    """No value that means nothing, and a plan of what it asks for."""
    dumped = params.model_dump()
    for key in places(dumped):
        value: Any = dumped
        for step in key:
            value = value[step]
        assert not isinstance(value, int) or abs(value) < LARGEST
        assert not isinstance(value, float) or math.isfinite(value)
        assert not isinstance(value, str) or (value.isprintable() and len(value) <= 200), key
    if not params.model.source:
        student = student_shape(params.model, ROOT / "data/models")
        machine = Machine(gpus=0, gpu_memory=0.0, memory=2.0**40, disk=1e15)
        with suppress(ValueError):  # which the command says
            make_plan(params, student, teaching(params.teacher, student), assumed_prompt(params), machine, ON_CPU)


def handled(read: Callable[[], Params]) -> bool:
    """Whether it was accepted; refused it must be in one short line, and either within seconds."""
    began = time.process_time()
    accepted = True
    try:
        plausible(read())
    except ParamsError as error:
        accepted, said = False, str(error)
        assert "\n" not in said and 10 < len(said) < 1500, said[:2000]
    assert time.process_time() - began < 20
    return accepted


def test_four_thousand_values_are_refused_in_a_line_or_make_sense() -> None:
    draw = random.Random(SEED)

    def read() -> Params:
        values, path = mutated_values(draw), Path("params.yaml")
        check_values(values, path)
        return check(values, path)

    accepted = sum(handled(read) for _ in range(4000))
    assert 100 < accepted < 2000, "neither all nor none are wrong"


def test_a_thousand_texts_are_refused_in_a_line_or_make_sense(tmp_path: Path) -> None:
    draw, path = random.Random(SEED), tmp_path / "params.yaml"

    def read() -> Params:
        path.write_bytes(mutated_text(draw))
        return check_file(path)

    accepted = sum(handled(read) for _ in range(1000))
    assert 10 < accepted < 500
