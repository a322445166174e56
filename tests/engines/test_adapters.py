"""Adapters of peft merged into their base: the adapted model's logits, and refusals that name the folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from effopd.files import DataError
from effopd.models.adapters import merge
from effopd.models.store import load_model, save_model

peft = pytest.importorskip("peft", reason="make test-engines installs it")
IDS = torch.tensor([[2, 12, 5, 16]])
FACTORS = "adapter_model.safetensors"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    save_model(tmp_path / "base", tiny.model(), tiny.tokenizer())
    return tmp_path / "base", tmp_path / "adapter"


def adapted(base: Path, folder: Path, **settings: object) -> torch.Tensor:
    """Write an adapter whose factors are random; the logits with it."""
    torch.manual_seed(1)
    model = peft.get_peft_model(
        load_model(base), peft.LoraConfig(r=3, target_modules=["q_proj", "down_proj"], **settings)
    )
    for name, parameter in model.named_parameters():
        if "lora" in name or "modules_to_save" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    with torch.no_grad():
        return model.eval()(IDS).logits


@pytest.mark.parametrize(
    "settings",
    [{}, {"lora_alpha": 5, "use_rslora": True}, {"use_dora": True}, {"modules_to_save": ["lm_head"]},
     {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 7}}],
    ids=["plain", "rank-stabilised", "dora", "a head of its own", "patterns"],
)  # fmt: skip
def test_a_merged_adapter_computes_what_the_adapted_model_does(
    folders: tuple[Path, Path], tmp_path: Path, settings: dict[str, object]
) -> None:
    base, folder = folders
    logits = adapted(base, folder, **settings)
    save_model(tmp_path / "merged", *merge(base, folder))
    found = load_model(tmp_path / "merged")
    with torch.no_grad():
        torch.testing.assert_close(found(IDS).logits, logits, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(load_model(base)(IDS).logits, logits, atol=1e-2)


def test_a_factor_that_is_missing_or_has_no_place_is_named(folders: tuple[Path, Path]) -> None:
    base, folder = folders
    adapted(base, folder)
    whole = load_file(folder / FACTORS)
    name = next(iter(whole))
    save_file({key: value for key, value in whole.items() if key != name}, folder / FACTORS)
    with pytest.raises(DataError, match=f"{folder}: .* is missing for the model in {base}"):
        merge(base, folder)
    save_file(whole | {name.replace("layers.0", "layers.7"): whole[name].clone()}, folder / FACTORS)
    with pytest.raises(DataError, match=f"{folder}: .*layers.7.* has no place in the model in {base}"):
        merge(base, folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [("adapter_config.json", "[]"), ("adapter_config.json", '{"peft_type": "NEW"}'), (FACTORS, "nonsense")],
)
def test_a_damaged_adapter_is_one_line(folders: tuple[Path, Path], name: str, content: str) -> None:
    base, folder = folders
    adapted(base, folder)
    (folder / name).write_text(content)
    with pytest.raises(DataError, match=str(folder)) as caught:
        merge(base, folder)
    assert "\n" not in str(caught.value)


def test_the_base_that_an_adapter_names_is_not_looked_for(folders: tuple[Path, Path]) -> None:
    base, folder = folders
    logits = adapted(base, folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "/nowhere"}))
    with torch.no_grad():
        torch.testing.assert_close(merge(base, folder)[0](IDS).logits, logits, rtol=1e-5, atol=1e-5)
