"""Models of published families, saved: every weight and buffer, under the names that other readers know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny
import torch
from random_families import family_model

from effopd.models.checkpoint import Checkpoint
from effopd.models.store import load_model, persistent_buffers, put_weights, save_model
from effopd.models.version4 import with_old_keys

IDS = torch.tensor([[2, 12, 5, 16, 7, 9]])


@pytest.mark.parametrize("family", ["gemma4_text", "deepseek_v3", "glm4_moe"])
def test_buffers_that_last_are_saved_with_the_weights(tmp_path: Path, family: str) -> None:
    model = family_model(family)
    buffers = persistent_buffers(model)
    assert buffers, "this family has some"
    save_model(tmp_path / "saved", model, tiny.tokenizer())
    found = load_model(tmp_path / "saved")
    assert all(found.get_buffer(name).equal(buffer) for name, buffer in buffers.items())
    with torch.no_grad():
        torch.testing.assert_close(found(IDS).logits, model(IDS).logits)


@pytest.mark.parametrize("family", ["mixtral", "qwen3_moe", "glm4_moe", "deepseek_v3", "gpt_neox"])
def test_files_have_the_names_that_a_family_is_published_with(tmp_path: Path, family: str) -> None:
    """transformers fuses experts while it runs; other readers of the files, vLLM among them, know them by one."""
    model = family_model(family)
    model.save_pretrained(tmp_path / "theirs")
    save_model(tmp_path / "ours", model, tiny.tokenizer())
    assert set(Checkpoint(tmp_path / "ours")) == set(Checkpoint(tmp_path / "theirs"))
    other = load_model(tmp_path / "ours")
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    put_weights(other, Checkpoint(tmp_path / "ours").load())
    with torch.no_grad():
        torch.testing.assert_close(other(IDS).logits, model(IDS).logits)
    assert all(given.equal(kept) for given, kept in zip(other.parameters(), model.parameters(), strict=True))


def read_by_version_4(config: dict[str, object]) -> tuple[object, object, object]:
    """Base, scaling and rotated share as configuration classes of transformers 4.57 take them from a file."""
    return config.get("rope_theta", 10_000.0), config.get("rope_scaling"), config.get("partial_rotary_factor", 1.0)


YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}


@pytest.mark.parametrize(
    ("rope", "expected"),
    [
        ({"rope_type": "default", "rope_theta": 500_000.0}, (500_000.0, None, 1.0)),
        (YARN | {"rope_theta": 1e6}, (1e6, YARN, 1.0)),
        ({"rope_type": "default", "rope_theta": 5e5, "partial_rotary_factor": 0.5}, (5e5, None, 0.5)),
        (
            {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
             "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}},
            (1e6, {"rope_type": "linear", "factor": 8.0}, 1.0),
        ),
    ],
)  # fmt: skip
def test_rotary_settings_are_written_in_the_words_of_both_versions(rope: dict[str, object], expected: object) -> None:
    config = with_old_keys({"rope_parameters": rope, "text_config": {"rope_parameters": rope}})
    for one in (config, config["text_config"]):
        assert one["rope_parameters"] == rope and read_by_version_4(one) == expected
        assert one.get("rope_local_base_freq") == (1e4 if "sliding_attention" in rope else None)


@pytest.mark.parametrize("rope", [{"rope_type": "default", "rope_theta": 500_000.0}, YARN | {"rope_theta": 5e5}])
def test_the_newer_version_takes_the_same_angles_from_both_words(tmp_path: Path, rope: dict[str, object]) -> None:
    model = family_model("qwen3", rope_parameters=dict(rope))
    save_model(tmp_path / "saved", model, tiny.tokenizer())
    stored = json.loads((tmp_path / "saved/config.json").read_text())
    assert stored["rope_theta"] == 500_000.0
    found = load_model(tmp_path / "saved")
    assert found.config.rope_parameters == model.config.rope_parameters
    with torch.no_grad():
        assert found(IDS).logits.equal(model(IDS).logits)
    save_model(tmp_path / "again", found, tiny.tokenizer())
    again = json.loads((tmp_path / "again/config.json").read_text())
    assert again == stored | {"dtype": "float32"}
