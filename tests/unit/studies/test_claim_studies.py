"""Studies whose statement is that claims hold: in planted worlds where they do, and where they do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_variants import ROOT, params, variant
from planted_world import OPD, World

from effopd.studies.conclusions import conclude
from effopd.studies.spec import read_study
from effopd.studies.variants import Variant

STUDIES = ROOT / "profiles/studies"
LATE = ((4, 0.1), (8, 0.2), (16, 0.3), (48, 0.85), (64, 1.0))


def as_the_document_says(world: World) -> None:
    """OPD first, higher, aligned sooner, less moved, of lower rank; the gain in the middle of the layers."""
    for replicate in world.replicates:
        world.run(
            f"opd-{replicate}", OPD, spectral=True, alignment=((4, 0.7), (8, 0.8), (64, 1.0)), embedding_cosine=0.99,
            update={"total_update_norm": 1.0, "spectral_norm": 0.2, "spectral_frobenius_ratio": 0.6}
            | {"effective_rank": 10.0, "top1_norm_ratio": 0.6},
        )  # fmt: skip
    later = [0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.5, 0.9]
    world.run("rl", later, spectral=True, alignment=LATE, outer_norm=3.0, tokens=40)
    world.intervene("rl", lambda row: 0.9 if row["alpha"] == 1.0 else 0.4 + 0.3 * (row["alpha"] or 0))


def otherwise(world: World) -> None:
    """The same with the two exchanged."""
    as_the_document_says(world)
    for name in ("models", "reports/evaluation", "reports/spectral"):
        folder = world.root / name
        (folder / "rl").rename(folder / "spare")
        for replicate in world.replicates:
            (folder / f"opd-{replicate}").rename(folder / "rl") if replicate == 0 else None
        (folder / "spare").rename(folder / "opd-0")
    rl, opd = (world.root / "reports/interventions" / f"{name}.parquet" for name in ("rl", "opd-0"))
    spare = rl.with_name("spare")
    rl.rename(spare), opd.rename(rl), spare.rename(opd)


@pytest.fixture
def small(tmp_path: Path) -> World:
    return World(tmp_path, replicates=(0,), rates=())


def concluded(name: str, *variants: Variant) -> str:
    study = read_study(name, STUDIES, ROOT / "params.yaml")
    return conclude(name, study, variants).verdict


def test_proportions_hold_where_all_claims_do(small: World) -> None:
    as_the_document_says(small)
    found = variant(small, "seed-1")
    study = read_study("proportions", STUDIES, ROOT / "params.yaml")
    said = {name: found.judged[name].verdict for name in study.claims}
    assert said == dict.fromkeys(study.claims, "reproduced")
    assert concluded("proportions", found, variant(small, "seed-2")) == "reproduced"


def test_proportions_fail_where_rl_is_what_opd_should_be(small: World) -> None:
    otherwise(small)
    assert concluded("proportions", variant(small, "seed-1")) == "not reproduced"


def test_a_claim_that_holds_in_one_world_of_two_does_not_count_as_held(small: World, tmp_path: Path) -> None:
    as_the_document_says(small)
    first = variant(small, "seed-1")
    other = World(tmp_path / "other", replicates=(0,), rates=())
    otherwise(other)
    assert concluded("proportions", first, variant(other, "seed-2")) == "not reproduced"
    answer = conclude("proportions", read_study("proportions", STUDIES, ROOT / "params.yaml"), [first])
    assert "OPD minus RL: final accuracy +0.100;" in answer.sentence  # one world has no interval


def test_depth_tells_of_windows_with_their_intervals(small: World) -> None:
    half = params(interventions={"half_width": 1})
    answer = conclude(
        "depth",
        read_study("depth", STUDIES, ROOT / "params.yaml"),
        [variant(small, "single"), variant(small, "triple", asked=half)],
    )
    gains = {(one.measure, one.label, one.series): one.value for one in answer.numbers}
    middle = gains["accuracy gained by the MLP of windows of 1", "layer 1", "OPD"]
    assert middle.value == pytest.approx(0.2)  # 0.6 with that window alone, 0.4 without an update
    assert middle.low < 0.2 < middle.high
    assert ("accuracy gained by the attention of windows of 3", "layer 0", "RL") in gains
    assert "Middle half minus the rest in windows of 3 layers: +0.160" in answer.sentence
