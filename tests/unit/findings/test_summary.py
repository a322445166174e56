"""summary.json and metrics.json: the names that others read, and numbers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from planted_world import OPD, World

from effopd.findings.claims import judge_all
from effopd.findings.measures import COSTS
from effopd.findings.summary import metrics, summary


def test_the_summary_keeps_the_names_that_others_read(world: World) -> None:
    evidence = world.evidence()
    told = summary(evidence, judge_all(evidence), {})
    found = json.loads(json.dumps(told, allow_nan=False))
    assert {"accuracy", "curve", "speedup", "spectral", "alignment", "recovery"} <= found.keys()
    assert found["accuracy"]["opd-0"] == {"mean": 1.0, "low": 0.98, "high": 1.02, "n": 256}
    assert found["accuracy"]["base"]["mean"] == 0.4
    assert {"step", "accuracy", "seconds", "sampled_tokens"} <= found["curve"]["effopd-1"][0].keys()
    assert found["curve"]["effopd-1"][-1]["cpu_seconds"] == 24.0
    assert found["curve"]["opd-lr-0.0003"][-1]["sampled_tokens"] == 640
    assert found["costs"]["effopd-free-1"] == [
        {"step": n, "batches": n, "cpu_seconds": 4.0 * n, "flops": 5500 * n}
        | {"sampled_tokens": 10 * n, "teacher_tokens": 10 * n, "student_tokens": 35 * n}
        for n in (1, 2)
    ]
    assert {"steps", "wall", "target", "replicates", "best_lr_steps"} <= found["speedup"].keys()
    assert found["speedup_free"].keys() == found["speedup"].keys()
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
    assert found["speedup"]["replicates"][0].keys() == {
        "replicate", "target", "baseline", "method", "best", "best_rate",
        "steps", "tokens", "flops", "cpu", "cpu_teacher_4", "cpu_teacher_20", "wall", "checkpoints",
        "best_lr_steps", "best_lr_tokens", "best_lr_cpu", "best_lr_wall", "with_sweep_steps", "with_sweep_cpu",
    }  # fmt: skip
    assert found["speedup"]["replicates"][0]["method"].keys() == {*COSTS, "checkpoint"}
    flat = metrics(evidence)
    assert flat["recovered_opd"] == pytest.approx(0.8)
    assert flat["speedup_steps"] == pytest.approx(2**3.25)
    assert flat["speedup_free_steps"] == pytest.approx(2**5.25) and flat["alignment_opd_at_20"] == pytest.approx(0.76)


def test_methods_are_summed_up_with_intervals_and_ranges(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run("opd-1", OPD, spectral=True, update={"effective_rank": 26.0}, alignment=((4, 0.1), (16, 0.5), (64, 1.0)))
    told = json.loads(json.dumps(summary(world.evidence(), [], {}), allow_nan=False))["methods"]
    opd, rl = told["opd"], told["rl"]
    assert opd["update"]["effective_rank"] == {"median": 20.0, "smallest": 20.0, "largest": 26.0}
    assert rl["update"]["effective_rank"] == {"median": 20.0, "smallest": 20.0, "largest": 20.0}
    at_20 = opd["alignment"][1]  # step 12.8: 0.7 + 0.1 · 0.6 in two, 0.1 + 0.4 · 8.8 / 12 in one
    assert at_20["progress"] == 0.2 and at_20["median"] == pytest.approx(0.76)
    assert at_20["smallest"] == pytest.approx(0.1 + 0.4 * 8.8 / 12)
    assert opd["gain_per_length"]["value"] == pytest.approx(0.3)
    assert rl["gain_per_length"]["value"] == pytest.approx(0.15)
    assert opd["gain_per_length"]["low"] < 0.3 < opd["gain_per_length"]["high"]
    assert opd["mlp_minus_attention"]["value"] == pytest.approx(0.3)
    assert opd["base_embeddings"]["value"] == 0.0
    assert [row["value"] for row in opd["windows"] if row["kind"] == "mlp"] == pytest.approx([0.04, 0.2, 0.2, 0.04])
    assert opd["rescaled"][0]["gained"]["value"] == pytest.approx(0.8)
    assert "gain_per_length" not in told["effopd"]
