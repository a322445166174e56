"""The page: self-containment, order, what was left out, and what was not measured."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from planted_world import EFFOPD, World

from effopd.findings.claims import CLAIMS, judge_all
from effopd.findings.results import Described
from effopd.findings.summary import metrics, summary
from effopd.report.cards import write_cards
from effopd.report.page import headlines, render
from effopd.report.story import chapters, figures

PROVENANCE = {
    "commit": None,
    "is_modified": None,
    "params": {"run": {"seed": 42, "replicates": [0, 1, 2]}},
    "versions": {"python": "3"},
}
NEVER_ARRIVES = (0.4, 0.4, 0.4)
LATER = (0.4, 0.4, 0.4, 0.5, 1.0)  # at 2^2.9: 2^2.85 = 7.2 times sooner than OPD, where the others are 9.5


class Page(HTMLParser):
    """What is in a page: headings' levels, ids, attributes that could ask the network, and what links point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.ids: set[str] = set()
        self.fetched: list[str] = []
        self.targets: list[str] = []
        self.labels: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if "id" in values:
            self.ids.add(values["id"])
        if "src" in values or (tag == "link" and not values.get("href", "").startswith("data:")):
            self.fetched.append(tag)
        if tag == "a":
            self.targets.append(values["href"])
        if values.get("role") == "img":
            self.labels.append(values.get("aria-label", ""))


def page(world: World, title: str = "A title") -> str:
    evidence = world.evidence()
    return render(
        title=title,
        evidence=evidence,
        claims=judge_all(evidence),
        chapters=chapters(evidence),
        datasets=[Described("Chains", "8 train", 8, "built in", "", "", 0, 1, "<i>1+2?")],
        provenance=PROVENANCE,
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def test_the_page_stands_alone_and_is_in_order(world: World) -> None:
    text = page(world, title="<b>Bold & bad</b>")
    read = Page(text)
    assert read.fetched == []
    assert "<b>Bold" not in text and "&lt;b&gt;Bold &amp; bad" in text
    assert "<i>1+2?" not in text and "&lt;i&gt;1+2?" in text and "1 test questions" in text
    assert read.levels[0] == 1 and all(b - a <= 1 for a, b in zip(read.levels, read.levels[1:], strict=False))
    assert {target[1:] for target in read.targets if target.startswith("#")} <= read.ids
    assert len(read.labels) == text.count('data-figure="') > 10 and all(read.labels)
    assert len(text.encode()) < 5_000_000
    assert "reproduced" in text and "9.5×" in text


@pytest.mark.parametrize(
    ("gone", "figures_gone"),
    [
        (["models/rl"], set()),
        (["models/effopd-0"], {"candidates"}),
        (["models/rl", "models/effopd-0", "reports/paths.json"], {"candidates", "paths"}),
        (
            ["reports/interventions"],
            {"alpha", "modules", "windows", "rescaling", "beta", "truncation", "extrapolation"},
        ),
        (["reports/spectral"], {"norms", "norm_map", "alignment", "spectra"}),
    ],
)
def test_what_a_user_did_not_run_is_left_out_and_listed(
    tmp_path: Path, gone: list[str], figures_gone: set[str]
) -> None:
    """One replicate, no sweep, and less: a teacher from elsewhere, no leaps, no interventions, no spectra."""
    world = World(tmp_path, replicates=(0,), rates=())
    whole = {one.name for one in figures(chapters(world.evidence()))}
    for path in gone:
        shutil.rmtree(tmp_path / path) if (tmp_path / path).is_dir() else (tmp_path / path).unlink()
    text = page(world)
    read, words = Page(text), text.split("<script>")[0]
    found = set(re.findall(r'<figure id="(\w+)"', text))
    assert figures_gone <= whole - found
    assert whole - found <= figures_gone | {"speedup"}
    listed = words[words.index("Looked for, not found, and left out:") :].split("</li>")[0]
    assert all(str(tmp_path / path) in listed for path in gone)
    assert {target[1:] for target in read.targets if target.startswith("#")} <= read.ids
    assert "None" not in words and " nan" not in words
    evidence = world.evidence()
    json.dumps([summary(evidence, judge_all(evidence), PROVENANCE), metrics(evidence)], allow_nan=False)
    write_cards(evidence.results, PROVENANCE | {"params": {"run": {"seed": 42}}}, tmp_path / "cards")
    assert {file.stem for file in (tmp_path / "cards").iterdir()} >= {"base", "opd-0"}


def test_each_claim_stands_in_the_chapter_of_its_figure(world: World) -> None:
    text = page(world)
    order = [text.index(f'id="{name}"') for name in ("claims", "runs", "convergence", "redundancy", "lock-in", "leaps")]
    assert order == sorted(order)
    overview, _, chapters_text = text.partition('<h2 id="runs">')
    linked = re.findall(r'href="#claim-(\w+)"', overview)
    assert len(linked) == len(set(linked)) == len(CLAIMS)
    assert all(f'id="claim-{name}"' in chapters_text for name in linked)
    lock_in = text[text.index('<h2 id="lock-in">') : text.index('<h2 id="leaps">')]
    assert 'id="claim-early_direction"' in lock_in and 'id="claim-effective_rank"' in lock_in
    leaps = text[text.index('<h2 id="leaps">') : text.index('<h2 id="results">')]
    assert 'id="claim-overshoot"' in leaps and 'id="extrapolation"' in leaps
    scale = re.search(r'id="claim-every_scale">.*?href="#(\w+)"', text, re.DOTALL)
    assert scale and scale[1] == "spectral_table", "no benchmark was run: the claim stands beside the table"


def test_the_page_says_in_words_what_was_not_measured(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    world.run("opd-0", [0.0] * 8, seconds=None, spectral=True, alignment=((64, None),))
    world.run("effopd-0", [0.0] * 5, seconds=None, spectral=True, alignment=())
    text = page(world)
    assert "Not measured." in text and "Not timed: opd-0, effopd-0." in text
    assert "None" not in Page(text).rawdata and " nan" not in text.split("<script>")[0]


@pytest.mark.parametrize(
    ("curves", "untimed", "headline", "caption"),
    [
        (
            [EFFOPD, LATER, NEVER_ARRIVES],
            [],
            ("7.2×", "in steps (7.2–9.5; 1 of 3 never arrived)"),
            "steps 7.21 (7.21–9.51; 1 of 3 never arrived)",
        ),
        (
            [EFFOPD, NEVER_ARRIVES, NEVER_ARRIVES],
            [],
            ("never", "in steps (9.5; 2 of 3 never arrived)"),
            "steps never arrives (9.51; 2 of 3 never arrived)",
        ),
        (
            [EFFOPD, LATER, NEVER_ARRIVES],
            [1],
            ("–", "in processor time (3.2; 1 of 3 never arrived; 1 of 3 not measured)"),
            "processor time not measured (3.17; 1 of 3 never arrived; 1 of 3 not measured)",
        ),
        (
            [EFFOPD] * 3,
            [0, 1, 2],
            ("–", "in processor time (3 of 3 not measured)"),
            "processor time not measured (3 of 3 not measured)",
        ),
    ],
)
def test_replicates_that_never_arrive_are_told_from_those_not_measured(
    tmp_path: Path, curves: list[tuple[float, ...]], untimed: list[int], headline: tuple[str, str], caption: str
) -> None:
    """In the large numbers, in both captions and beside the figure."""
    world = World(tmp_path)
    for replicate, curve in enumerate(curves):
        world.run(f"effopd-{replicate}", curve, seconds=None if replicate in untimed else 3.0, spectral=True)
    evidence = world.evidence()
    assert any(value == headline[0] and about.endswith(headline[1]) for value, about in headlines(evidence))
    drawn = {figure.name: figure for figure in figures(chapters(evidence))}
    assert caption in drawn["learning_curves"].told and caption in drawn["speedup"].told
    rows = [row for row in drawn["speedup"].drawing.rows if row["method"] == "EffOPD"]
    outcomes = [row["outcome"] for row in rows if row["comparison"] == "processor time"]
    expected = ["not timed" if replicate in untimed else "measured" for replicate in range(3)]
    never = "never arrived within EffOPD's steps"
    assert outcomes == [never if curves[i] == NEVER_ARRIVES else expected[i] for i in range(3)]
