"""Every distinct reference answer of the real rows, as other hands would write it."""

from __future__ import annotations

import pytest
import rewriting
from real_rows import needs_real_rows

pytestmark = [needs_real_rows, pytest.mark.slow]


@pytest.fixture(scope="module")
def answers() -> list[str]:
    return rewriting.references()


@pytest.mark.parametrize("kind", rewriting.KINDS, ids=lambda kind: kind.name)
def test_rewriting_loses_hardly_any_answer_and_gains_none(kind: rewriting.Kind, answers: list[str]) -> None:
    found = rewriting.outcome(kind, answers)
    assert found.gained == []
    assert len(found.lost) <= 0.005 * found.equal, found.lost
    assert found.equal > 400 and found.different > 100, "the kind applies to too few"
