"""The commands on checkpoints of any trainer: figures against numpy, whole models, and refusals in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import hub_cache
import numpy as np
import pytest
import tiny
import torch
from checkpoint_commands import noisy, refused, rewrite, run, write_world
from random_families import family_model
from safetensors.torch import load_file
from test_model_folders import edit
from test_spectral_geometry import by_numpy
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from effopd.files import hash_path
from effopd.models.checkpoint import Checkpoint
from effopd.models.folder import INDEX, WEIGHTS
from effopd.models.store import load_model, save_model
from effopd.models.weights import save_weights

IDS = torch.tensor([[2, 12, 5, 16]])
UP, EMBEDDING, HEAD = "model.layers.0.mlp.up_proj.weight", "model.embed_tokens.weight", "lm_head.weight"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("checkpoints"))


def weights_of(folder: Path) -> dict[str, Tensor]:
    return Checkpoint(folder).load()


def test_every_figure_of_a_spectrum_is_numpys(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = run(capsys, monkeypatch, "spectrum", world / "base", world / "run/step_20", "--top-k", "4", "--json")
    found = json.loads(said)
    base, trained = weights_of(world / "base"), weights_of(world / "run/step_20")
    assert {row["name"] for row in found["matrices"]} == {name for name, weight in base.items() if weight.ndim == 2}
    for row in found["matrices"]:
        for measure, expected in by_numpy(base[row["name"]], trained[row["name"]], 4).items():
            assert row[measure] == pytest.approx(expected, rel=1e-6, abs=1e-9), (row["name"], measure)
    inner = [row for row in found["matrices"] if row["kind"] in ("attention", "mlp")]
    for measure in ("effective_rank", "stable_rank", "principal_energy_left", "rotation_right", "spectral_drift"):
        assert found["averages"]["all"][measure] == pytest.approx(np.mean([row[measure] for row in inner]))
    assert found["averages"]["attention"]["matrices"] == 8 and found["averages"]["mlp"]["matrices"] == 6
    vectors = sum(weight.numel() for weight in base.values() if weight.ndim == 1)
    assert sum(row["numbers"] for row in found["left_out"]) == vectors
    rows = zip(*(weights[EMBEDDING].double().numpy() for weights in (base, trained)), strict=True)
    cosines = [one @ other / np.linalg.norm(one) / np.linalg.norm(other) for one, other in rows if one.any()]
    assert found["embedding_cosine"]["mean"] == pytest.approx(np.mean(cosines))


def test_the_table_says_what_the_json_does(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    places = (world / "base", world / "run/step_20")
    found = json.loads(run(capsys, monkeypatch, "spectrum", *places, "--json"))
    said = run(capsys, monkeypatch, "spectrum", *places, "--matrices")
    average = found["averages"]["all"]
    line = next(line for line in said.splitlines() if line.startswith("effective rank"))
    assert line.split()[2] == f"{average['effective_rank']:.1f}"
    assert said.count("proj.weight") == 14 and "left out: 9 vectors (norms, biases)" in said


def test_shards_and_dtypes_change_no_figure(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tmp_path / "one", tiny.model(layers=2), tiny.tokenizer())
    save_weights(tmp_path / "one" / WEIGHTS, {n: w.double() for n, w in weights_of(world / "base").items()})
    several, single = (
        json.loads(run(capsys, monkeypatch, "spectrum", base, world / "run/step_20", "--json"))
        for base in (world / "base", tmp_path / "one")
    )
    assert several["matrices"] == single["matrices"]


def test_alignment_is_that_of_the_singular_vectors(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = json.loads(run(capsys, monkeypatch, "align", world / "base", world / "run", "--top-k", "3", "--json"))
    assert list(found["checkpoints"]) == ["1", "5", "20"] and found["steps_are_named"]
    base = weights_of(world / "base")
    matrices = [name for name, weight in base.items() if weight.ndim == 2 and "layers" in name]
    ends = {s: weights_of(world / f"run/step_{s}") for s in (1, 5, 20)}

    def left(step: int, name: str) -> np.ndarray:
        update = ends[step][name].double().numpy() - base[name].double().numpy()
        return np.linalg.svd(update, full_matrices=False)[0][:, :3]

    for row in found["alignment"]["left"]:
        cosines = [np.abs((left(row["step"], n) * left(20, n)).sum(axis=0)).mean() for n in matrices]
        assert row["top_k_cosine"] == pytest.approx(np.mean(cosines), abs=1e-6)
    assert found["alignment"]["left"][-1]["top_k_cosine"] == pytest.approx(1)
    design, squared = np.stack([np.ones(4), [0, 1, 5, 20]], axis=1), []
    for name in matrices:
        path = np.stack([weights[name].double().numpy().ravel() for weights in (base, *ends.values())])
        residual = path - design @ np.linalg.lstsq(design, path, rcond=None)[0]
        squared.append(1 - (residual**2).sum() / ((path - path.mean(axis=0)) ** 2).sum())
    assert found["r_squared"] == pytest.approx(np.mean(squared))


def test_a_folder_and_its_checkpoints_in_any_order_are_one_run(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = json.loads(run(capsys, monkeypatch, "align", world / "base", world / "run", "--json"))
    mixed = [world / f"run/step_{step}" for step in (20, 1, 5)]
    single = json.loads(run(capsys, monkeypatch, "align", world / "base", *mixed, "--json"))
    assert single == whole
    said = run(capsys, monkeypatch, "align", world / "base", world / "run")
    assert [line.split()[0] for line in said.splitlines() if str(world / "run") in line] == ["1", "5", "20"]


def test_the_base_and_its_copy_are_no_checkpoints_and_nameless_steps_are_counted(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (0, 2):
        shutil.copytree(world / ("base" if step == 0 else "run/step_5"), tmp_path / f"step-{step:06d}")
    found = json.loads(run(capsys, monkeypatch, "align", tmp_path / "step-000000", tmp_path, "--json"))
    assert list(found["checkpoints"]) == ["2"]
    shutil.copytree(world / "run/step_1", tmp_path / "early")
    shutil.copytree(world / "run/step_20", tmp_path / "late")
    places = (tmp_path / "early", tmp_path / "late")
    found = json.loads(run(capsys, monkeypatch, "align", world / "base", *places, "--json"))
    assert (list(found["checkpoints"]), found["steps_are_named"], found["r_squared"]) == (["1", "2"], False, None)
    assert "steps are the order given" in run(capsys, monkeypatch, "align", world / "base", *places)


@pytest.mark.parametrize("multiplier", [4, 0.5, -0.25])
def test_extrapolation_is_a_straight_line_in_a_whole_model(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, multiplier: float
) -> None:
    before, after, out = world / "base", world / "run/step_20", tmp_path / "leap"
    run(capsys, monkeypatch, "extrapolate", before, after, "--multiplier", multiplier, "--out", out)
    start, end, made = weights_of(before), weights_of(after), weights_of(out)
    for name, weight in made.items():
        line = end[name].double().numpy() * (1 + multiplier) - start[name].double().numpy() * multiplier
        np.testing.assert_allclose(weight.numpy(), line.astype(np.float32), rtol=2e-7, atol=1e-9)
        assert weight.dtype == end[name].dtype
    assert (out / INDEX).read_bytes() == (after / INDEX).read_bytes(), "shards as in the input"
    assert {file.name for file in out.iterdir()} == {file.name for file in after.iterdir()} | {"effopd.json"}
    assert json.loads((out / "effopd.json").read_text())["multiplier"] == multiplier
    AutoTokenizer.from_pretrained(out)
    with torch.no_grad():
        assert torch.isfinite(AutoModelForCausalLM.from_pretrained(out)(IDS).logits).all()


def test_the_ends_of_the_line_are_the_models_bit_for_bit(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = world / "run/step_5", world / "run/step_20"
    for multiplier, same in ((0, after), (-1, before)):
        out = tmp_path / f"out{multiplier}"
        run(capsys, monkeypatch, "extrapolate", before, after, "--multiplier", multiplier, "--out", out)
        assert all(weight.equal(weights_of(same)[name]) for name, weight in weights_of(out).items())
    assert hash_path(tmp_path / "out0" / "config.json") == hash_path(after / "config.json")
    said = run(capsys, monkeypatch, "compare", tmp_path / "out0", after)
    assert "identical: 25 tensors" in said


def test_the_output_of_a_bfloat16_model_is_rounded_once_to_bfloat16(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after, out = world / "run/step_20", world / "base", tmp_path / "back"
    run(capsys, monkeypatch, "extrapolate", before, after, "--multiplier", "2", "--out", out)
    start, end = weights_of(before), weights_of(after)
    for name, weight in weights_of(out).items():
        line = end[name].double() + 2 * (end[name].double() - start[name].double())
        assert weight.equal(line.bfloat16())


@pytest.mark.parametrize("beta", [1.0, 0.0, 0.5])
def test_rescaling_keeps_early_directions_and_takes_final_lengths(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, beta: float
) -> None:
    places, out = [world / "base", world / "run/step_1", world / "run/step_20"], tmp_path / "rescaled"
    run(capsys, monkeypatch, "rescale", *places, "--out", out, "--beta", beta)
    base, early, final = map(weights_of, places)
    for name, weight in weights_of(out).items():
        found, first, last = (
            weights[name].double().numpy().ravel() - base[name].double().numpy().ravel()
            for weights in ({name: weight}, early, final)
        )
        length = np.linalg.norm(first) + beta * (np.linalg.norm(last) - np.linalg.norm(first))
        assert np.linalg.norm(found) == pytest.approx(length, rel=1e-5)
        assert found @ first / np.linalg.norm(found) / np.linalg.norm(first) == pytest.approx(1, abs=1e-6)


def test_a_difference_is_found_wherever_it_is(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    same = tmp_path / "same"
    shutil.copytree(world / "run/step_5", same)
    found = json.loads(run(capsys, monkeypatch, "compare", world / "run/step_5", same, "--json"))
    assert found["identical"] and all(row["unchanged"] == 1 for row in found["tensors"])
    other = tmp_path / "other"
    shutil.copytree(world / "run/step_5", other)
    rewrite(other, lambda name, weight: weight.index_fill(0, torch.tensor([1]), 9.0) if name == UP else weight)
    edit(other / "config.json", rope_theta=7.0)
    (other / "tokenizer.json").write_text("{}")
    found = json.loads(run(capsys, monkeypatch, "compare", world / "run/step_5", other, "--json"))
    assert not found["identical"] and found["config"]["rope_theta"] == [10_000.0, 7.0]
    assert found["files"] == ["tokenizer.json"]
    moved = {row["name"]: row for row in found["tensors"] if row["unchanged"] < 1}
    assert moved.keys() == {UP} and moved[UP]["unchanged"] == pytest.approx(1 - 1 / 24)
    before, after = weights_of(world / "run/step_5")[UP].double(), weights_of(other)[UP].double()
    assert moved[UP]["largest"] == pytest.approx(float((after - before).abs().max()))
    assert moved[UP]["relative"] == pytest.approx(float((after - before).norm() / before.norm()))
    assert moved[UP]["cosine"] == pytest.approx(float((after * before).sum() / after.norm() / before.norm()))
    said = run(capsys, monkeypatch, "compare", world / "run/step_5", other)
    assert UP in said and "config.json: rope_theta 10000.0 and 7.0" in said and "differ: tokenizer.json" in said


def test_models_of_different_architectures_can_be_compared(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tmp_path / "one", tiny.model(layers=1), tiny.tokenizer())
    rewrite(tmp_path / "one", lambda name, weight: weight[:7].clone() if name == HEAD else weight)
    found = json.loads(run(capsys, monkeypatch, "compare", world / "base", tmp_path / "one", "--json"))
    assert found["shapes"] == {HEAD: [[19, 16], [7, 16]]} and len(found["only_in_a"]) == 11
    assert "only in a: model.layers.1" in run(capsys, monkeypatch, "compare", world / "base", tmp_path / "one")


def test_models_on_the_hub_are_named_by_owner_name_and_revision(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    base = hub_cache.put(tmp_path, "someone/base", "main", world / "base")
    last = hub_cache.put(tmp_path, "other/run", "step_20", world / "run/step_20")
    hub_cache.put(tmp_path, "other/run", "step_5", world / "run/step_5")
    found = json.loads(run(capsys, monkeypatch, "spectrum", "someone/base", "other/run@step_20", "--json"))
    here = json.loads(run(capsys, monkeypatch, "spectrum", world / "base", world / "run/step_20", "--json"))
    assert found["matrices"] == here["matrices"] and found["commits"] == {"base": base, "trained": last}
    by_commit = json.loads(run(capsys, monkeypatch, "spectrum", "someone/base", f"other/run@{last}", "--json"))
    assert by_commit["matrices"] == here["matrices"]
    steps = ("other/run@step_5", "other/run@step_20")
    assert list(json.loads(run(capsys, monkeypatch, "align", "someone/base", *steps, "--json"))["checkpoints"]) == [
        "5",
        "20",
    ]
    run(capsys, monkeypatch, "extrapolate", "someone/base", steps[1], "--multiplier", "1", "--out", tmp_path / "leap")
    assert not any(file.is_symlink() for file in (tmp_path / "leap").iterdir())
    load_model(tmp_path / "leap")
    said = refused(monkeypatch, "spectrum", "someone/base", "other/run@step_9")
    assert said.startswith("other/run@step_9: no such folder, and on the hub other/run cannot be fetched (")
    assert refused(monkeypatch, "spectrum", "someone/base", "no-such").startswith(
        "no-such: no such folder, and no model"
    )


@pytest.mark.parametrize("tied", ["base", "trained"])
def test_a_tied_head_is_its_embedding_in_either_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tied: str
) -> None:
    model = family_model("qwen3", tie_word_embeddings=True)
    for name in ("base", "trained"):
        save_model(tmp_path / name, model, tiny.tokenizer())
        rewrite(tmp_path / name, noisy(0.1 if name == "trained" else 0, 3))
    untied = tmp_path / ("trained" if tied == "base" else "base")
    weights = load_file(untied / WEIGHTS)
    save_weights(untied / WEIGHTS, weights | {HEAD: weights[EMBEDDING].clone()})
    found = json.loads(run(capsys, monkeypatch, "spectrum", tmp_path / "base", tmp_path / "trained", "--json"))
    rows = {row["name"]: row for row in found["matrices"]}
    if tied == "base":
        assert rows[HEAD]["update_norm"] == rows[EMBEDDING]["update_norm"]
    else:
        assert HEAD not in rows and rows[EMBEDDING]["update_norm"] > 0
        save_weights(untied / WEIGHTS, weights | {HEAD: weights[EMBEDDING] + 1})
        said = refused(monkeypatch, "spectrum", tmp_path / "base", tmp_path / "trained")
        assert said == f"{tmp_path / 'trained'}: {HEAD} missing, which {tmp_path / 'base'} has"
