"""What is read of a variant's workspace: the study's runs, and nothing that lies there from elsewhere."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from planted_variants import MATRICES, aligned, params
from planted_world import OPD, World, write_json
from safetensors.torch import save_file

from effopd.files import DataError
from effopd.params.schema import Params
from effopd.studies.spec import Study
from effopd.studies.variants import PROBES, read_variant


def study(**keys: object) -> Study:
    said = {"question": "Why?", "statement": "So.", "claims": [], "runs": ["rl", "opd-0"], "variants": {"one": {}}}
    return Study.model_validate(said | keys)


@pytest.fixture
def planned() -> Params:
    return params()


def test_other_runs_and_stale_seconds_are_not_looked_at(world: World, planned: Params) -> None:
    """dvc.lock brings them into the copy as they were under other params."""
    world.run("opd-0", OPD[:6], spectral=True)  # shorter than before, and timing.json still has the long one
    stale = {name: rows and [*rows, {**rows[-1], "step": len(rows) + 1}] for name, rows in world.timing.items()}
    write_json(world.root / "reports/timing.json", stale)
    (world.root / "reports/evaluation/effopd-1/curve.json").unlink()
    found = read_variant("one", study(), planned, world.root).evidence
    assert [run.name for run in found.results.runs] == ["rl", "opd-0"]
    assert found.results.of("opd")[0].final.step == 16
    assert all(run.timing is None and run.spectral is None and not run.interventions for run in found.results.runs)
    assert found.results.paths is None and found.results.missing == ()


def test_what_the_study_measures_is_read(world: World, planned: Params) -> None:
    found = read_variant("one", study(measures=["interventions"]), planned, world.root)
    assert list(found.evidence.apart) == ["rl", "opd"]
    assert found.judged["mlp_over_attention"].verdict == "reproduced"
    assert found.judged["early_alignment"].verdict == "not measured"


def test_alignment_is_of_left_vectors_with_their_length(world: World, planned: Params) -> None:
    for run in ("rl", "opd-0"):
        rows = [asdict(row) | {"side": side} for row in aligned(0.5) for side in ("left", "right")]
        pq.write_table(pa.Table.from_pylist(rows), world.root / "reports/spectral" / run / "alignment.parquet")
        folder = world.root / "models" / run / "step-000000"
        folder.mkdir()
        save_file({name: torch.zeros(rows, 7) for name, rows in MATRICES.items()}, folder / "model.safetensors")
    found = read_variant("one", study(measures=["spectral"]), planned, world.root)
    assert found.lengths == MATRICES
    assert found.alignment["rl"] == aligned(0.5)
    assert found.aligned_at("opd-0", "top_k_cosine", 0.1) == dict.fromkeys(MATRICES, 0.5)
    assert found.aligned_at("opd-0", "top_k_cosine", 0.01) == {}  # before the first checkpoint


def test_a_run_that_was_not_evaluated_is_an_error_that_names_the_file(world: World, planned: Params) -> None:
    (world.root / "reports/evaluation/opd-0/curve.json").unlink()
    with pytest.raises(DataError, match=r"reports/evaluation/opd-0/curve\.json"):
        read_variant("one", study(), planned, world.root)


def test_a_damaged_probe_names_file_row_and_key(tmp_path: Path, world: World, planned: Params) -> None:
    file = world.root / PROBES / "critic.json"
    candidate = {"multiplier": 0, "teacher_kl": 0.1, "by_prompt": [1.0], "read_tokens": 1, "sampled_tokens": 1}
    write_json(file, {"searches": [{"update": 1, "candidates": [candidate | {"by_prompt": "all"}]}]})
    with pytest.raises(DataError, match=r"critic\.json, row 1, candidates, row 1, by_prompt: "):
        read_variant("one", study(probes=["critic"]), planned, world.root)
    write_json(file, {"searches": [{"update": 1, "candidates": [candidate]}]})
    assert read_variant("one", study(probes=["critic"]), planned, world.root).searches[0].candidates[0].read_tokens == 1
