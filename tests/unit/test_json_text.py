"""JSON with whole numbers of thousands of digits."""

import json

import pytest

from effopd.files import canonical_json
from effopd.json_text import from_json, to_json
from effopd.tasks.code import CodeTests, same_value

LONG = "9" * 5_000
POWER = "1" + "0" * 5_000


@pytest.mark.parametrize(
    "text", ['{"b": 1, "a": [1, -2.5, "é", true, null, {}]}', "[]", "17", '"' + LONG + '"', "Infinity"]
)
def test_other_json_is_read_and_written_as_python_does(text: str) -> None:
    value = json.loads(text)
    assert from_json(text) == value
    assert to_json(value, sort_keys=True) == json.dumps(value, sort_keys=True)


@pytest.mark.parametrize(
    "text", [LONG, "-" + LONG, POWER, f'{{"a": [{LONG}, {{"b": true, "ü": [-{POWER}]}}], "z": 1.5}}']
)
def test_a_number_of_thousands_of_digits_comes_back_digit_by_digit(text: str) -> None:
    assert to_json(from_json(text), ensure_ascii=False) == text
    assert canonical_json(from_json(text)) == text


def test_a_number_of_thousands_of_digits_has_the_value_that_it_says() -> None:
    power = from_json(POWER)
    assert power == 10**5_000
    assert str(power) == POWER
    assert from_json(f"[1, {LONG}]") == [1, power - 1]


def test_a_longer_number_than_can_be_read_in_time_is_refused_with_its_length() -> None:
    with pytest.raises(ValueError, match=r"100,001 digits, at most 100,000"):
        from_json("[" + "9" * 100_001 + "]")


def test_nan_beside_a_long_number_is_refused_where_nan_is() -> None:
    assert to_json([from_json(LONG), float("nan")]) == f"[{LONG}, NaN]"
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json([from_json(LONG), float("nan")])


def test_tests_with_long_numbers_are_stored_and_read_again() -> None:
    tests = CodeTests(inputs=[f"[{LONG}]\n{POWER}"], outputs=[POWER], function="add")
    again = CodeTests(**from_json(tests.to_json()))
    assert again == tests
    assert again.inputs == [[[10**5_000 - 1], 10**5_000]]
    assert same_value(again.outputs[0], 10**5_000)
    assert not same_value(again.outputs[0], 10**5_000 + 1)


def test_keys_that_are_numbers_become_texts_beside_a_long_number_too() -> None:
    value = {2: from_json(LONG), 1: {0.5: None}}
    assert from_json(to_json(value)) == {"2": 10**5_000 - 1, "1": {"0.5": None}}
