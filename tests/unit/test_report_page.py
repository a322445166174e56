"""The written files: bytes, contract, self-containment, and errors that name the file."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from report_world import EFFOPD, OPD, World, apart

from effopd.files import DataError, write_json
from effopd.params.section import read_yaml
from effopd.report.cards import write_cards
from effopd.report.claims import claims
from effopd.report.convergence import speedup
from effopd.report.datasets import Described
from effopd.report.figures import Figure, save
from effopd.report.page import headlines, render
from effopd.report.plots import plots
from effopd.report.provenance import Revision, revision
from effopd.report.results import Results
from effopd.report.story import chapters, figures
from effopd.report.summary import metrics, summary

ROOT = Path(__file__).parents[2]
PROVENANCE = {
    "commit": None,
    "is_modified": None,
    "params": {"run": {"seed": 42, "replicates": [0, 1, 2]}},
    "versions": {"python": "3"},
}


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
    results = world.read()
    gain = speedup(results, 0.95)
    return render(
        title=title,
        results=results,
        speedup=gain,
        target_share=0.95,
        confidence=0.95,
        apart=apart(results),
        claims=claims(results, gain, 0.95, apart(results)),
        chapters=chapters(results, gain, apart(results)),
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


def test_the_summary_keeps_the_names_that_others_read(world: World) -> None:
    results = world.read()
    gain = speedup(results, 0.95)
    parts = apart(results)
    told = summary(results, gain, claims(results, gain, 0.95, parts), parts, PROVENANCE)
    found = json.loads(json.dumps(told, allow_nan=False))
    assert {"accuracy", "curve", "speedup", "spectral", "alignment", "recovery"} <= found.keys()
    assert found["accuracy"]["opd-0"] == {"mean": 1.0, "low": 0.98, "high": 1.02, "n": 256}
    assert found["accuracy"]["base"]["mean"] == 0.4
    assert {"step", "accuracy", "seconds", "sampled_tokens"} <= found["curve"]["effopd-1"][0].keys()
    assert found["curve"]["effopd-1"][-1]["seconds"] == 24.0
    assert found["curve"]["opd-lr-0.0003"][-1]["sampled_tokens"] == 640
    assert {"steps", "wall", "target", "replicates", "best_lr_steps"} <= found["speedup"].keys()
    assert found["spectral"]["rl"] == {
        "spectral_norm": 0.1, "spectral_frobenius_ratio": 0.5, "effective_rank": 20.0, "top1_norm_ratio": 0.5,
    }  # fmt: skip
    assert {"step", "progress", "top_k_cosine", "principal_angle"} == found["alignment"]["opd-2"][0].keys()
    assert found["claims"]["fewer_steps"]["verdict"] == "reproduced"
    assert {"progress", "base", "rescaled", "final", "recovered"} <= found["recovery"]["opd-0"].keys()
    assert found["recovery"]["opd-0"]["recovered"] == pytest.approx(0.48 / 0.6)  # from 0.4 to 0.88 of 1
    assert found["recovery"]["rl"]["progress"] == 8 / 64
    assert len(found["interventions"]["rl"]) == 30 and "scores" not in found["interventions"]["rl"][0]
    predicted = {row["weights"]: row for row in found["extrapolation"]["opd"]}
    assert predicted["RELEX"]["accuracy"] == 0.7 and predicted["RELEX"]["gap"] == pytest.approx(0.2)
    assert predicted["EffOPD at that step"]["accuracy"] == 1.0 and predicted["EffOPD at that step"]["gap"] is None
    flat = metrics(results, gain, parts)
    assert flat["recovered_opd"] == pytest.approx(0.8)
    assert flat["speedup_steps"] == pytest.approx(2**3.25) and flat["alignment_opd_at_20"] == pytest.approx(0.76)


def test_tables_for_dvc_hold_medians_without_gaps(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run("opd-0", [0.1] * 8, spectral=True)
    world.run("opd-1", [0.3] * 8, spectral=True)
    results = world.read()
    plots(results, apart(results), tmp_path / "dvc")
    with (tmp_path / "dvc/learning_curve_opd.csv").open() as stream:
        assert next(csv.DictReader(stream)) == {"step": "0", "opd": "0.3"}  # between 0.1 and 0.4
    with (tmp_path / "dvc/learning_curve_effopd.csv").open() as stream:
        assert [row["step"] for row in csv.DictReader(stream)] == ["0", "1", "2", "4", "8"]  # where it ends
    with (tmp_path / "dvc/alpha_opd.csv").open() as stream:
        assert [tuple(row.values()) for row in csv.DictReader(stream)] == [
            ("0.0", "0.4"),
            ("0.5", "0.7"),
            ("1.0", "1.0"),
        ]


def test_a_run_that_was_not_evaluated_is_named(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    shutil.rmtree(tmp_path / "reports/evaluation/opd-0")
    with pytest.raises(DataError, match="reports/evaluation/opd-0"):
        world.read()
    shutil.rmtree(tmp_path / "models")
    with pytest.raises(DataError, match="models: none of rl, opd-0, effopd-0 is there"):
        world.read()


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
    results = world.read()
    whole = {one.name for one in figures(chapters(results, speedup(results, 0.95), apart(results)))}
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
    results = world.read()
    gain, parts = speedup(results, 0.95), apart(results)
    told = summary(results, gain, claims(results, gain, 0.95, parts), parts, PROVENANCE)
    json.dumps([told, metrics(results, gain, parts)], allow_nan=False)
    write_cards(results, PROVENANCE | {"params": {"run": {"seed": 42}}}, tmp_path / "cards")
    assert {file.stem for file in (tmp_path / "cards").iterdir()} >= {"base", "opd-0"}


def test_each_claim_stands_in_the_chapter_of_its_figure(world: World) -> None:
    text = page(world)
    order = [text.index(f'id="{name}"') for name in ("claims", "runs", "convergence", "redundancy", "lock-in", "leaps")]
    assert order == sorted(order)
    overview, _, chapters_text = text.partition('<h2 id="runs">')
    linked = re.findall(r'href="#claim-(\w+)"', overview)
    assert len(linked) == len(set(linked)) == 34 and all(f'id="claim-{name}"' in chapters_text for name in linked)
    lock_in = text[text.index('<h2 id="lock-in">') : text.index('<h2 id="leaps">')]
    assert 'id="claim-early_direction"' in lock_in and 'id="claim-effective_rank"' in lock_in
    leaps = text[text.index('<h2 id="leaps">') : text.index('<h2 id="results">')]
    assert 'id="claim-overshoot"' in leaps and 'id="extrapolation"' in leaps


def test_methods_are_summed_up_with_intervals_and_ranges(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run("opd-1", OPD, spectral=True, update={"effective_rank": 26.0}, alignment=((4, 0.1), (16, 0.5), (64, 1.0)))
    results = world.read()
    gain, parts = speedup(results, 0.95), apart(results)
    told = json.loads(json.dumps(summary(results, gain, [], parts, PROVENANCE), allow_nan=False))["methods"]
    opd, rl = told["opd"], told["rl"]
    assert opd["update"]["effective_rank"] == {"median": 20.0, "smallest": 20.0, "largest": 26.0}
    assert rl["update"]["effective_rank"] == {"median": 20.0, "smallest": 20.0, "largest": 20.0}
    at_20 = opd["alignment"][1]  # step 12.8: 0.7 + 0.1 · 0.6 in two, 0.1 + 0.4 · 8.8 / 12 in one
    assert at_20["progress"] == 0.2 and at_20["median"] == pytest.approx(0.76)
    assert at_20["smallest"] == pytest.approx(0.1 + 0.4 * 8.8 / 12)
    assert opd["gain_per_length"]["value"] == pytest.approx(0.3) and rl["gain_per_length"]["value"] == pytest.approx(
        0.15
    )
    assert opd["gain_per_length"]["low"] < 0.3 < opd["gain_per_length"]["high"]
    assert opd["mlp_minus_attention"]["value"] == pytest.approx(0.3)
    assert opd["base_embeddings"]["value"] == 0.0
    assert [row["value"] for row in opd["windows"] if row["kind"] == "mlp"] == pytest.approx([0.04, 0.2, 0.2, 0.04])
    assert opd["rescaled"][0]["gained"]["value"] == pytest.approx(0.8)
    assert "gain_per_length" not in told["effopd"]


def test_a_row_without_a_column_is_named(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    write_json(tmp_path / "reports/evaluation/opd-0/curve.json", [{"step": 0, "accuracy": 0.5}])
    with pytest.raises(DataError, match=r"opd-0/curve\.json, row 1: low is missing"):
        world.read()


def test_a_table_without_a_column_is_named(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    path = tmp_path / "reports/spectral/opd-0/spectra.parquet"
    pq.write_table(pq.read_table(path).drop_columns("kind"), path)
    with pytest.raises(DataError, match=r"opd-0/spectra\.parquet: kind is missing"):
        world.read()
    path.write_bytes(b"PAR1 damaged")
    with pytest.raises(DataError, match=r"opd-0/spectra\.parquet: not usable"):
        world.read()


def test_seconds_that_do_not_cover_the_run_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    write_json(tmp_path / "reports/timing.json", world.timing | {"opd-0": [{"step": 2, "seconds": 1.0}]})
    with pytest.raises(DataError, match=r"timing\.json: opd-0: expected seconds of steps 1 to 64"):
        world.read()


def test_folders_of_other_runs_are_ignored(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    world.run("opd-7", OPD, spectral=True)
    assert [run.name for run in world.read().runs] == ["rl", "opd-0", "effopd-0"]


def test_the_page_says_in_words_what_was_not_measured(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    world.run("opd-0", [0.0] * 8, seconds=None, spectral=True, alignment=((64, None),))  # type: ignore[arg-type]
    world.run("effopd-0", [0.0] * 5, seconds=None, spectral=True, alignment=())
    text = page(world)
    assert "Not measured." in text and "Not timed: opd-0, effopd-0." in text
    assert "None" not in Page(text).rawdata and " nan" not in text.split("<script>")[0]


BENCHMARKED = {"title": "AIME 2024", "accuracy": 0.5, "low": 0.4, "high": 0.6, "problems": 30, "samples": 8}
NEVER_ARRIVES = (0.4, 0.4, 0.4)
LATER = (0.4, 0.4, 0.4, 0.5, 1.0)  # at 2^2.9: 2^2.85 = 7.2 times sooner than OPD, where the others are 9.5


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
            ("–", "validation included (3.2; 1 of 3 never arrived; 1 of 3 not measured)"),
            "wall time not measured (3.17; 1 of 3 never arrived; 1 of 3 not measured)",
        ),
        (
            [EFFOPD] * 3,
            [0, 1, 2],
            ("–", "validation included (3 of 3 not measured)"),
            "wall time not measured (3 of 3 not measured)",
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
    results = world.read()
    gain = speedup(results, 0.95)
    assert any(one.value == headline[0] and one.label.endswith(headline[1]) for one in headlines(results, gain, {}))
    assert caption in figure_named("learning_curves", results).caption
    shown = figure_named("speedup", results)
    assert caption in shown.caption
    outcomes = [row["outcome"] for row in shown.rows if row["comparison"] == "wall time"]
    expected = ["not timed" if replicate in untimed else "measured" for replicate in range(3)]
    never = "never arrived within EffOPD's steps"
    assert outcomes == [never if curves[i] == NEVER_ARRIVES else expected[i] for i in range(3)]


def test_the_stage_writes_the_same_bytes_twice(tmp_path: Path) -> None:
    """Two processes of the real stage, in two folders: ids, hash seeds, paths and clocks must not show."""
    params = (ROOT / "params.yaml").read_text()
    for before, after in (("[3.0e-4, 5.0e-4, 1.0e-3]", "[3.0e-4]"), ("replicates: [0, 1, 2]", "replicates: [0]")):
        assert before in params
        params = params.replace(before, after)
    projects = [tmp_path / "here", tmp_path / "elsewhere"]
    running = []
    for project in projects:
        World(project, replicates=(0,), rates=(3e-4,))
        about = json.loads((project / "data/about.json").read_text())
        write_json(project / "data/benchmarks/aime24.json", about | {"questions": 30})
        for run in read_yaml(ROOT / "params.yaml")["benchmark"]["runs"]:
            write_json(project / f"reports/benchmarks/{run}/aime24/metrics.json", BENCHMARKED)
        for package in ("effopd", "stages"):
            shutil.copytree(ROOT / package, project / package, ignore=shutil.ignore_patterns("__pycache__"))
        (project / "params.yaml").write_text(params)
        running.append(subprocess.Popen([sys.executable, "-m", "stages.report"], cwd=project))
    assert [process.wait(120) for process in running] == [0, 0]
    first, second = (
        {file.relative_to(project): file.read_bytes() for file in (project / "reports").rglob("*") if file.is_file()}
        for project in projects
    )
    assert first == second
    told = json.loads(first[Path("reports/summary.json")])
    assert "on 1 benchmark: AIME 2024 (30 problems)" in told["claims"]["every_scale"]["finding"]
    names = {path.name for path in first}
    assert {"index.html", "summary.json", "metrics.json", "learning_curves.svg", "candidates.csv", "opd-0.md"} <= names


def test_every_figure_is_saved_with_its_numbers(world: World, tmp_path: Path) -> None:
    results = world.read()
    drawn = figures(chapters(results, speedup(results, 0.95), apart(results)))
    save(drawn, tmp_path)
    assert len(drawn) == 17
    for figure in drawn:
        assert (tmp_path / f"{figure.name}.svg").read_text().startswith("<svg")
        assert len(list(csv.DictReader((tmp_path / f"{figure.name}.csv").open()))) == len(figure.rows) > 0
    rows = [row for row in csv.DictReader((tmp_path / "candidates.csv").open()) if row["run"] == "effopd-0"]
    assert [(row["multiplier"], row["score"], row["outcome"]) for row in rows] == [
        ("0.0", "0.5", "trained weights"), ("2.0", "0.6", "kept"), ("4.0", "", "failed"),
    ]  # fmt: skip


def test_revision_tells_edited_files_from_the_lock_that_the_pipeline_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert revision() == Revision(None, None)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    for name in ("code.py", "dvc.lock"):
        (tmp_path / name).write_text("1")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    found = revision()
    assert found.commit is not None and len(found.commit) == 40 and found.is_modified is False
    (tmp_path / "dvc.lock").write_text("2")
    (tmp_path / "untracked").write_text("2")
    assert revision().is_modified is False
    (tmp_path / "code.py").write_text("2")
    assert revision().is_modified is True


def test_the_swept_rates_show_what_they_do_to_the_update(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run("opd-lr-0.001", OPD, rate=1e-3, spectral=True, update={"total_update_norm": 7.0, "effective_rank": 12.0})
    results = world.read()
    shown = {one.name: one for one in figures(chapters(results, speedup(results, 0.95), apart(results)))}["rates"]
    norms = {row["run"]: row["value"] for row in shown.rows if row["quantity"] == "update norm"}
    assert norms == {"opd-0": 2.0, "opd-1": 2.0, "opd-2": 2.0, "opd-lr-0.0003": 2.0, "opd-lr-0.001": 7.0}
    assert "0.0001, to the highest, 0.001: update norm 2 → 7; effective rank 20.0 → 12.0" in shown.caption
    aligned = [row["run"] for row in figure_named("alignment", results).rows]
    assert "opd-lr-0.001" not in aligned, "curves of training are those of the method's own rate"


def figure_named(name: str, results: Results) -> Figure:
    return next(one for one in figures(chapters(results, speedup(results, 0.95), apart(results))) if one.name == name)
