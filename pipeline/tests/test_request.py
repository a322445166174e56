"""The fields of the form as people fill them in."""

import pytest

from pipeline.errors import PipelineError
from pipeline.overrides import Override
from pipeline.request import read_request


@pytest.mark.parametrize("text", ["prepare base", "prepare,base", " prepare , base ", "prepare,\nbase,"])
def test_targets_may_be_parted_by_blanks_and_commas(text: str) -> None:
    assert read_request(".", text).targets == ("prepare", "base")


def test_no_words_are_no_targets() -> None:
    assert read_request(".", "  ").targets == ()


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"max_parallel": -5}, "max_parallel: expected a whole number from 1, got -5"),
        ({"max_parallel": 0}, "max_parallel: expected a whole number from 1, got 0"),
        ({"busy": "sleep"}, "busy: expected one of wait, refuse, got 'sleep'"),
        ({"overrides": "opd.sweep"}, "overrides: 'opd.sweep' is not of the form section.key=value"),
    ],
)
def test_a_field_that_makes_no_sense_is_named(fields: dict[str, str], complaint: str) -> None:
    with pytest.raises(PipelineError) as caught:
        read_request(".", **fields)  # type: ignore[arg-type]
    assert str(caught.value) == complaint


def test_overrides_are_read_once() -> None:
    assert read_request(".", overrides="a.b=1 c=2").overrides == (Override("a.b", "1"), Override("c", "2"))
