"""Records of studies: the same after reading, unchanged when nothing new was found, and what is written from them."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from planted_variants import ROOT, variant
from planted_world import World

from effopd.atlas.page import page
from effopd.atlas.text import findings
from effopd.files import DataError
from effopd.findings.estimates import Interval
from effopd.studies.answers import Answer, Number
from effopd.studies.record import Provenance, Record, read_record, read_records, recorded, write_record
from effopd.studies.spec import read_study, targets

PROVENANCE = Provenance("a" * 40, False, "code", "params", "study", {"torch": "2.13.0"})


@pytest.fixture
def one(world: World) -> Record:
    study = read_study("alignment", ROOT / "profiles/studies", ROOT / "params.yaml")
    numbers = [
        Number("level", "k = 1", "OPD", Interval(0.5, 0.4, 0.6)),
        Number("level", "k = 1", "chance", Interval(0.1)),
        Number("nothing", "k = 1", "OPD", Interval(math.nan)),
    ]
    answer = Answer(numbers, [True, False], "Ahead at k = 1 </script>.")
    variants = [variant(world, name) for name in study.variants]
    return recorded("alignment", study, targets(study), variants, answer, PROVENANCE)


def test_a_record_is_read_as_it_was_written(one: Record, tmp_path: Path) -> None:
    write_record(one, tmp_path / "records")
    assert read_records(tmp_path / "records") == (one,)
    text = (tmp_path / "records/alignment.json").read_text()
    assert "NaN" not in text and len(text) < 50_000
    assert one.verdict == "partly"
    assert one.variants[1].params == {"spectral.top_k": 4}
    assert one.variants[1].runs["rl"].accuracy == 1.0


def test_a_damaged_record_is_one_line_that_names_file_and_key(one: Record, tmp_path: Path) -> None:
    write_record(one, tmp_path)
    path = tmp_path / "alignment.json"
    values = json.loads(path.read_text())
    values["numbers"][1]["value"] = "much"
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match=r"alignment\.json, numbers, row 2, value: .*'much'"):
        read_record(path)
    path.write_text("{")
    with pytest.raises(DataError, match=r"alignment\.json"):
        read_record(path)


def test_the_page_shows_every_study_and_asks_the_network_for_nothing(one: Record) -> None:
    text = page([one, replace(one, name="another", claims={"rl_ceiling": "not reproduced"})])
    assert text == page([one, replace(one, name="another", claims={"rl_ceiling": "not reproduced"})])
    assert {'id="alignment"', 'id="another"', 'id="alignment-numbers"', 'id="another-accuracy"'} <= set(
        re.findall(r'id="[^"]*"', text)
    )
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', markup)
    assert "Ahead at k = 1 &lt;/script&gt;." in markup
    assert "early alignment" in markup and "rl ceiling" in markup
    data = json.loads(re.search(r'id="figure-data">(.*?)</script>', text, re.S)[1])  # type: ignore[index]
    shown = data["specs"]["alignment-numbers"]["datasets"]["rows"]
    assert [row["measure"] for row in shown] == ["level", "level"]  # what was not measured is not drawn
    assert data["controls"]["alignment-numbers"]["measure"]["values"] == ["level"]


def test_no_study_is_a_page_too() -> None:
    assert "Studies" in page([])
    assert "| claim |" in findings([])


def test_findings_have_a_line_a_study_and_a_column_too(one: Record) -> None:
    text = findings([one, replace(one, name="another", claims={"rl_ceiling": "not reproduced"})])
    assert f"*{one.statement}* **Partly.** Ahead at k = 1" in text
    rows = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| ")}
    assert rows["| `rl_ceiling`"] == "| `rl_ceiling` | – | not reproduced |"
    assert rows["| `early_alignment`"].endswith(" | – |")


def test_recorded_studies_are_those_of_the_profiles() -> None:
    """What is in git can be read, has its study, and findings.md is what it says."""
    records = read_records(ROOT / "reports/studies")
    for record in records:
        study = read_study(record.name, ROOT / "profiles/studies", ROOT / "params.yaml")
        assert (record.question, record.statement) == (study.question, study.statement)
        assert [variant.name for variant in record.variants] == list(study.variants)
    assert (ROOT / "docs/findings.md").read_text(encoding="utf-8") == findings(records)
