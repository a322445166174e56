"""Figures: their rows worked out by hand, their captions, and the files beside the page."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from string import Formatter

import pytest
from planted_world import OPD, World, document, evidence

from effopd.findings.results import Benchmarked
from effopd.params.section import read_yaml
from effopd.report.figures import CHARTS, MORE_COLOURS, PALETTE, Figure, colours, save
from effopd.report.plots import plots
from effopd.report.story import DRAWN, STORY, chapters, figures


def shown(world: World) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures(chapters(world.evidence()))}


TRIGGER = {"step": 1, "update": 1, "learning_rate": 1e-4}


def test_tables_for_dvc_hold_medians_without_gaps(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run("opd-0", [0.1] * 8, spectral=True)
    world.run("opd-1", [0.3] * 8, spectral=True)
    plots(world.evidence(), tmp_path / "dvc")
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


def test_every_figure_is_saved_with_its_numbers(world: World, tmp_path: Path) -> None:
    drawn = figures(chapters(world.evidence()))
    save(drawn, tmp_path)
    assert len(drawn) == 18
    for figure in drawn:
        assert (tmp_path / f"{figure.name}.svg").read_text().startswith("<svg")
        assert len(list(csv.DictReader((tmp_path / f"{figure.name}.csv").open()))) == len(figure.drawing.rows) > 0
    rows = [row for row in csv.DictReader((tmp_path / "candidates.csv").open()) if row["run"] == "effopd-0"]
    assert [(row["multiplier"], row["score"], row["outcome"]) for row in rows] == [
        ("0.0", "0.5", "trained weights"), ("2.0", "0.6", "kept"), ("4.0", "", "failed"),
    ]  # fmt: skip


def test_what_became_of_each_candidate_follows_the_order_of_the_search(tmp_path: Path) -> None:
    """Backward after forward, where none of those was kept; weights without a score are drawn nowhere, and told."""
    world = World(tmp_path, replicates=(0,), rates=())
    log = tmp_path / "models/effopd-0/triggers.jsonl"

    def outcomes(accepted: int, start: float | None, *scores: float | None) -> list[str]:
        multipliers = (2.0, 4.0, 8.0, -0.5, -0.75)
        candidates = [
            {"k": k, "multiplier": multiplier, "score": score}
            for k, (multiplier, score) in enumerate(zip(multipliers, scores, strict=False), start=1)
        ]
        log.write_text(json.dumps({**TRIGGER, "score": start, "candidates": candidates, "accepted": accepted}) + "\n")
        figure = shown(world).get("candidates")
        return [] if figure is None else [row["outcome"] for row in figure.drawing.rows][1:]

    assert outcomes(2, 0.5, 0.5, 0.6, 0.4) == ["passed", "kept", "failed"]
    assert outcomes(0, 0.5, None) == ["failed"]
    assert outcomes(0, None) == []
    scores = [{"k": k, "multiplier": m, "score": 0.5} for k, m in ((1, 2.0), (4, -0.5), (5, -0.75))]
    log.write_text(json.dumps({**TRIGGER, "score": 0.5, "candidates": scores, "accepted": 5}) + "\n")
    rows = shown(world)["candidates"].drawing.rows
    assert [row["outcome"] for row in rows] == ["trained weights", "failed", "passed", "kept"]
    assert rows[1]["story"] == "step 1: W + 2 Δ scores 0.500: stop"


def test_the_swept_rates_show_what_they_do_to_the_update(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run("opd-lr-0.001", OPD, rate=1e-3, spectral=True, update={"total_update_norm": 7.0, "effective_rank": 12.0})
    drawn = shown(world)
    norms = {row["run"]: row["value"] for row in drawn["rates"].drawing.rows if row["quantity"] == "update norm"}
    assert norms == {"opd-0": 2.0, "opd-1": 2.0, "opd-2": 2.0, "opd-lr-0.0003": 2.0, "opd-lr-0.001": 7.0}
    assert "0.0001, to the highest, 0.001: update norm 2 → 7; effective rank 20.0 → 12.0" in drawn["rates"].told
    aligned = [row["run"] for row in drawn["alignment"].drawing.rows]
    assert "opd-lr-0.001" not in aligned, "curves of training are those of the method's own rate"


def test_captions_say_in_words_that_there_is_no_gain_to_share(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.intervene("rl", lambda row: 0.0)
    for replicate in world.replicates:  # ends below the base, which has 0.4
        world.intervene(f"opd-{replicate}", lambda row: 0.3 if row["alpha"] == 1.0 else document(row))
    drawn = shown(world)
    for name, words in {
        "windows": "RL: layer 0's attention gains most, an undefined share of the whole gain",
        "rescaling": "recovers of the final accuracy an undefined share in RL at 10 % of training",
        "truncation": "RL leading 10 %: an undefined share",
    }.items():
        assert words in drawn[name].told and "nan" not in drawn[name].told


def test_predictions_stand_beside_the_checkpoint_they_start_from_and_effopd_after_as_many_steps(tmp_path: Path) -> None:
    world = World(tmp_path)
    for replicate, accuracy in enumerate((0.4, 0.6, 0.8)):
        world.run(f"effopd-{replicate}", (0.4, 0.4, 0.4, 0.4, accuracy), spectral=True, triggers=True)
    drawn = shown(world)["extrapolation"]
    rows = {(row["method"], row["weights"]): row for row in drawn.drawing.rows}
    assert [name for method, name in rows if method == "RL"] == ["observed checkpoint", "linear", "RELEX", "AlphaOPD"]
    assert {row["progress"] for row in drawn.drawing.rows} == {0.1} and {row["step"] for row in drawn.drawing.rows} == {
        8
    }
    fixed = {name: (row["accuracy"], row["gap"]) for (method, name), row in rows.items() if method == "RL"}
    for name, expected in zip(fixed, ((0.5, 0.0), (0.2, -0.3), (0.7, 0.2), (0.45, -0.05)), strict=True):
        assert fixed[name] == pytest.approx(expected), name
    effopd = rows["OPD", "EffOPD at that step"]
    assert effopd["accuracy"] == pytest.approx(0.6) and effopd["gap"] is None
    assert [effopd[key] for key in ("low", "high", "smallest", "largest")] == pytest.approx([0.58, 0.62, 0.4, 0.8])
    assert effopd["update_norm"] is None and rows["OPD", "linear"]["update_norm"] == 4.0
    each = "from 10 % of training, where step 8 has 0.500: linear 0.200 (2.0), RELEX 0.700 (1.5), AlphaOPD 0.450 (0.5)"
    assert f"OPD {each}; EffOPD after as many steps 0.600." in drawn.told and f"RL {each}." in drawn.told


def test_predictions_of_replicates_are_averaged(tmp_path: Path) -> None:
    world = World(tmp_path)
    for replicate, accuracy in enumerate((0.9, 0.1, 0.2)):
        changed = {"linear": accuracy}
        world.intervene(f"opd-{replicate}", lambda row, c=changed: c.get(row["extrapolation"], document(row)))
    drawn = shown(world)["extrapolation"]
    assert "OPD from 10 % of training, where step 8 has 0.500: linear 0.400 (2.0)" in drawn.told
    (linear,) = (row for row in drawn.drawing.rows if (row["method"], row["weights"]) == ("OPD", "linear"))
    assert [linear[key] for key in ("accuracy", "smallest", "largest")] == pytest.approx([0.4, 0.1, 0.9])


def test_lengths_are_left_out_where_nothing_was_trained(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.intervene("rl", update_norm=0.0)
    drawn = shown(world)["extrapolation"]
    assert "step 8 has 0.500: linear 0.200, RELEX 0.700, AlphaOPD 0.450." in drawn.told
    assert "nan" not in drawn.told


def test_without_extrapolation_there_is_no_figure(tmp_path: Path) -> None:
    results = World(tmp_path).read()
    runs = [
        replace(run, interventions=tuple(row for row in run.interventions if not row.extrapolation))
        for run in results.runs
    ]
    names = {figure.name for figure in figures(chapters(evidence(replace(results, runs=tuple(runs)))))}
    assert "extrapolation" not in names and "rescaling" in names


def test_every_run_and_benchmark_is_a_row_of_the_figure(world: World) -> None:
    assert "benchmarks" not in shown(world)
    rows = tuple(Benchmarked(run, "AIME 2024", 0.25, 0.1, 0.4, 30, 32) for run in ("opd-0", "effopd-0"))
    drawn = {one.name: one for one in figures(chapters(replace(world.evidence(), benchmarked=rows)))}["benchmarks"]
    assert [row["run"] for row in drawn.drawing.rows] == ["opd-0", "effopd-0"]
    assert "opd-0 on AIME 2024 0.250 (0.100–0.400)" in drawn.told


def test_story_charts_and_functions_speak_of_the_same_figures(world: World) -> None:
    """A caption names numbers that its function gives, and a chart what its function fills in."""
    told = [said["name"] for chapter in read_yaml(STORY)["chapters"] for said in chapter["figures"]]
    charts = read_yaml(CHARTS).keys() - {"shapes", "theme"}
    assert sorted(told) == sorted(charts) == sorted(DRAWN)
    rows = (Benchmarked("opd-0", "AIME 2024", 0.25, 0.1, 0.4, 30, 32),)
    for figure in figures(chapters(replace(world.evidence(), benchmarked=rows))):
        named = {name for _, name, _, _ in Formatter().parse(figure.caption) if name}
        assert named == figure.drawing.said.keys(), figure.name
        used = {name[1:] for name in re.findall(r"\$\w+", json.dumps(read_yaml(CHARTS)[figure.name]))}
        assert used - PALETTE.keys() == set(figure.drawing.fills), figure.name
        assert set(re.findall(r'"data": {"name": "(\w+)"}', json.dumps(figure.spec))) <= {"rows", *figure.drawing.more}
        assert "$" not in json.dumps({**figure.spec, "$schema": "", "datasets": {}}).replace("$schema", "")


def test_a_method_has_one_colour_in_every_figure(world: World) -> None:
    """The runs of the sweep, and methods without a colour of their own, take the others in turn."""
    results = world.read()
    scale = colours(results, with_sweep=True)
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == {
        "RL": PALETTE["rl"], "OPD": PALETTE["opd"], "EffOPD": PALETTE["effopd"],
        "EffOPD-free": PALETTE["effopd-free"],
        "OPD at 0.0003": MORE_COLOURS[0], "OPD at 0.001": MORE_COLOURS[1],
    }  # fmt: skip
    novel = tuple(replace(run, method="novel") if run.method == "effopd" else run for run in results.runs)
    scale = colours(replace(results, runs=novel), ["novel"])
    assert scale == {"domain": ["novel"], "range": [MORE_COLOURS[0]]}


def test_the_rates_that_searches_found_begin_at_the_runs_own(world: World) -> None:
    drawing = shown(world)["found_rates"].drawing
    assert [(row["update"], row["learning_rate"]) for row in drawing.rows if row["run"] == "effopd-free-2"] == [
        (0, 1e-5), (1, pytest.approx(3e-5)),
    ]  # fmt: skip
    assert [line["learning_rate"] for line in drawing.more["lines"]] == [1e-4], "all rates arrive as soon: the first"
