"""Results as the stages write them, and errors that name the file, the row and the key."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted_world import OPD, PROBLEMS, World

from effopd.files import DataError, read_json, write_json
from effopd.findings.reading import read_interventions, read_versions
from effopd.params.runs import planned_runs


def test_a_run_that_was_not_evaluated_is_named(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    shutil.rmtree(tmp_path / "reports/evaluation/opd-0")
    with pytest.raises(DataError, match="reports/evaluation/opd-0"):
        world.read()
    shutil.rmtree(tmp_path / "models")
    with pytest.raises(DataError, match="models: none of rl, opd-0, effopd-0, effopd-free-0 is there"):
        world.read()


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
    with pytest.raises(DataError, match=r"opd-0/spectra\.parquet: not a readable parquet file"):
        world.read()


def test_seconds_that_do_not_cover_the_run_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    write_json(
        tmp_path / "reports/timing.json", world.timing | {"opd-0": [{"step": 2, "seconds": 1.0, "cpu_seconds": 1.0}]}
    )
    with pytest.raises(DataError, match=r"timing\.json: opd-0: expected seconds of steps 1 to 64"):
        world.read()


def test_folders_of_other_runs_are_ignored(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    world.run("opd-7", OPD, spectral=True)
    assert [run.name for run in world.read().runs] == ["rl", "opd-0", "effopd-0", "effopd-free-0"]


def test_seconds_and_tokens_are_summed_up_to_each_checkpoint(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    world.run("effopd-0", (0.4, 0.5, 0.8), seconds=3.0, tokens=7, searching=2.5)
    run = world.read().of("effopd")[0]
    assert [(point.step, point.cpu_seconds, point.sampled_tokens) for point in run.curve] == [
        (0, 0, 0),
        (1, 3, 7),
        (2, 6, 14),
    ]
    assert run.search_cpu_seconds == 2.5
    world.run("effopd-0", (0.4, 0.5), seconds=None)
    run = world.read().of("effopd")[0]
    assert [point.seconds for point in run.curve] == [None, None] and run.search_cpu_seconds is None


def test_the_versions_that_are_named_are_those_that_trained(tmp_path: Path) -> None:
    World(tmp_path, replicates=(0, 1), rates=())
    names, models = planned_runs((0, 1, 2), ()), tmp_path / "models"
    assert read_versions(names, models) == {"torch": "2.13.0"}
    about = models / "opd-1/run.json"
    write_json(about, read_json(about) | {"versions": {"torch": "2.14.0", "peft": "0.19"}})
    assert read_versions(names, models) == {"torch": "2.13.0, 2.14.0", "peft": "0.19"}
    write_json(about, {"versions": {"torch": 2}})
    with pytest.raises(DataError, match=r"opd-1/run\.json, torch: .*, found 2"):
        read_versions(names, models)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("reports/timing.json", {"opd-0": [{"step": 1}]}, "timing.json, row 1: seconds is missing"),
        ("reports/timing.json", {"opd-0": 3}, "timing.json: input should be a valid tuple, found 3"),
        ("reports/paths.json", {"explained": [0.7]}, "paths.json, explained: row 2 is missing"),
        ("reports/paths.json", {"points": [{"run": "rl"}]}, "paths.json, points, row 1: step is missing"),
        (
            "reports/spectral/rl/summary.json",
            {"alignment": [{"step": 1}]},
            "summary.json, alignment, row 1: progress is",
        ),
        ("reports/spectral/rl/summary.json", {"explained_variance": "much"}, "explained_variance: .*, found 'much'"),
        ("reports/spectral/rl/summary.json", {"steps": {}}, "summary.json: no step was analysed"),
        ("reports/spectral/rl/summary.json", {"steps": {"64": 3}}, "summary.json, 64: .*, found 3"),
        ("reports/spectral/rl/summary.json", {"steps": {"last": {}}}, "summary.json, last, .*: .*, found 'last'"),
        ("models/rl/run.json", {"learning_rate": ...}, "run.json: learning_rate is missing"),
    ],
)
def test_a_value_that_is_missing_or_of_another_kind_is_named_with_its_place(
    tmp_path: Path, file: str, change: dict[str, Any], said: str
) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    values = read_json(tmp_path / file) | change
    write_json(tmp_path / file, {key: value for key, value in values.items() if value is not ...})
    with pytest.raises(DataError, match=said) as raised:
        world.read()
    assert "\n" not in str(raised.value)


def test_an_evaluation_of_a_step_that_was_not_trained_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path, replicates=(0,), rates=())
    path = tmp_path / "reports/evaluation/opd-0/curve.json"
    write_json(path, [*read_json(path), {**read_json(path)[-1], "step": 65}])
    with pytest.raises(DataError, match=r"curve\.json: step 65 is not in the run's metrics\.jsonl"):
        world.read()


def test_interventions_hold_base_and_trained_model_on_the_same_problems(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rl\.parquet: no such file"):
        read_interventions(tmp_path / "rl.parquet")
    (tmp_path / "rl.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"rl\.parquet: not a readable parquet file"):
        read_interventions(tmp_path / "rl.parquet")
    World(tmp_path)
    path = tmp_path / "reports/interventions/rl.parquet"
    assert {len(one.scores) for one in read_interventions(path)} == {PROBLEMS}
    rows = pq.read_table(path).to_pylist()
    pq.write_table(pa.Table.from_pylist([row for row in rows if row["alpha"] != 0.0]), path)
    with pytest.raises(DataError, match=r"rl\.parquet: expected base and trained model, each scored on 100 problems"):
        read_interventions(path)
