"""Model folders of other hands: no file from elsewhere, no weight lost or made up, and each refusal in one line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch
from random_families import family_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from effopd.files import DataError, hash_path
from effopd.models.checkpoint import Checkpoint
from effopd.models.folder import INDEX, WEIGHTS
from effopd.models.store import load_model, load_tokenizer, save_model
from effopd.models.weights import save_weights

IDS = torch.tensor([[2, 12, 5, 16, 7, 9]])
UP = "model.layers.0.mlp.up_proj.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "saved", tiny.model(), tiny.tokenizer())
    return tmp_path / "saved"


def shard(folder: Path, parts: int = 3) -> None:
    """Split the one file of a folder into several with an index, as large models are published."""
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    places = {name: f"model-{i % parts + 1:05d}-of-{parts:05d}.safetensors" for i, name in enumerate(sorted(weights))}
    for file in set(places.values()):
        save_weights(folder / file, {name: weights[name] for name in places if places[name] == file})
    size = sum(weight.nbytes for weight in weights.values())
    write_index(folder, {"metadata": {"total_size": size}, "weight_map": places})


def write_index(folder: Path, index: object) -> None:
    (folder / INDEX).write_text(json.dumps(index))


def replaced(folder: Path, **weights: Tensor) -> None:
    stored = load_file(folder / WEIGHTS)
    save_file(stored | {name.replace("__", "."): weight for name, weight in weights.items()}, folder / WEIGHTS)


def edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refusal(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_model(folder)
    said = str(caught.value)
    assert said.startswith(str(folder)) and "\n" not in said and len(said) < 2000
    return said


def test_shards_load_as_the_one_file_does(folder: Path) -> None:
    whole = load_file(folder / WEIGHTS)
    shard(folder)
    found = dict(load_model(folder).named_parameters())
    assert all(found[name].equal(weight) for name, weight in whole.items())
    stored = Checkpoint(folder)
    assert list(stored) == sorted(whole)
    for name, weight in whole.items():
        assert stored[name].equal(weight) and stored.rows(name, slice(1, 3)).equal(weight[1:3])
    assert stored.load().keys() == whole.keys()


def outside(folder: Path) -> str:
    """Name a file that is not in the folder."""
    target = folder.parent / "elsewhere.safetensors"
    shutil.copy(next(folder.glob("*.safetensors")), target)
    return str(target)


@pytest.mark.parametrize(
    "name",
    ["../elsewhere.safetensors", "sub/../../elsewhere.safetensors", "sub/x.safetensors", "", ".", "..", 3, None,
     "/dev/zero", "a\x00.safetensors", "model.pt", "model.bin", "model.safetensors.pt", "model.SAFETENSORS"],
)  # fmt: skip
def test_an_index_names_safetensors_beside_itself_and_nothing_else(folder: Path, name: object) -> None:
    shard(folder)
    target = outside(folder)
    (folder / "sub").mkdir()
    shutil.copy(target, folder / "sub/x.safetensors")
    index = json.loads((folder / INDEX).read_text())
    for where in (name, target):
        write_index(folder, index | {"weight_map": dict.fromkeys(index["weight_map"], where)})
        assert refusal(folder).startswith(f"{folder / INDEX}: ")


def test_a_pickle_is_never_opened(folder: Path) -> None:
    trap = folder.parent / "ran"

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, (f"touch {trap}",)

    shard(folder)
    torch.save({"x": Trap()}, folder / "pytorch_model.bin")
    index = json.loads((folder / INDEX).read_text())
    write_index(folder, index | {"weight_map": dict.fromkeys(index["weight_map"], "pytorch_model.bin")})
    assert "only safetensors are read" in refusal(folder)
    (folder / INDEX).unlink()
    assert "pytorch_model.bin is not read" in refusal(folder)
    assert not trap.exists()


def test_a_link_out_of_the_folder_is_refused_unless_the_whole_folder_is_made_of_links(folder: Path) -> None:
    shard(folder)
    first = min(folder.glob("*.safetensors"))
    elsewhere = folder.parent / "elsewhere"
    first.rename(elsewhere)
    first.symlink_to("../elsewhere")
    assert refusal(folder) == f"{first}: a link out of the folder, to {elsewhere}: put the file itself here"
    linked = folder.parent / "linked"  # `cp -rs`, the hub's cache
    linked.mkdir()
    for file in folder.iterdir():
        (linked / file.name).symlink_to(file.resolve())
    before = hash_path(linked)
    assert load_model(linked).num_parameters() == tiny.model().num_parameters()
    weights = load_file(elsewhere)
    save_weights(elsewhere, {name: weight + 1 for name, weight in weights.items()})
    assert hash_path(linked) != before, "the pin covers what links lead to"


def device(folder: Path) -> Path:
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to("/dev/zero")
    return folder / WEIGHTS


def pipe(folder: Path) -> Path:
    (folder / WEIGHTS).unlink()
    os.mkfifo(folder / WEIGHTS)
    return folder / WEIGHTS


def pipe_for_a_tokenizer(folder: Path) -> Path:
    os.mkfifo(folder / "merges.txt")
    return folder / "merges.txt"


def linked_folder(folder: Path) -> Path:
    (folder.parent / "templates").mkdir()
    (folder / "additional_chat_templates").symlink_to("../templates")
    return folder / "additional_chat_templates"


def folder_for_weights(folder: Path) -> Path:
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).mkdir()
    return folder / WEIGHTS


@pytest.mark.timeout(60)
@pytest.mark.parametrize("put", [device, pipe, pipe_for_a_tokenizer, linked_folder, folder_for_weights])
def test_what_is_no_file_is_named_and_not_read(folder: Path, put: Callable[[Path], Path]) -> None:
    file = put(folder)
    assert refusal(folder).startswith(f"{file}: ")


def lost(folder: Path) -> str:
    file = max(folder.glob("*.safetensors"))
    file.unlink()
    return f"{file}: no such file"


def cut(folder: Path) -> str:
    file = max(folder.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-4])
    return f"{file}: damaged weights"


def swapped(folder: Path) -> str:
    first, *_, last = sorted(folder.glob("*.safetensors"))
    shutil.copy(last, first)
    return f"{first}: "


def another_index(folder: Path) -> str:
    index = json.loads((folder / INDEX).read_text())
    del index["weight_map"][UP]
    write_index(folder, index)
    return next(folder.glob("*.safetensors")).parent.as_posix()


def both(folder: Path) -> str:
    save_model(folder.parent / "other", tiny.model(1), tiny.tokenizer())
    shutil.copy(folder.parent / "other" / WEIGHTS, folder / WEIGHTS)
    return f"{folder / INDEX}: model.safetensors lies beside it"


def no_map(folder: Path) -> str:
    write_index(folder, {"weight_map": []})
    return f"{folder / INDEX}: a weight_map"


@pytest.mark.parametrize("damage", [lost, cut, swapped, another_index, both, no_map])
def test_shards_that_do_not_fit_their_index_are_named(folder: Path, damage: Callable[[Path], str]) -> None:
    shard(folder)
    said = damage(folder)
    assert refusal(folder).startswith(said)


@pytest.mark.parametrize("tied", [True, None], ids=["tied", "not said"])
@pytest.mark.parametrize("padding", [0, 27])
@pytest.mark.parametrize("family", ["qwen3", "gemma"])
def test_a_head_of_its_own_is_kept_though_the_configuration_says_tied(
    tmp_path: Path, family: str, padding: int, tied: bool | None
) -> None:
    """And the vocabulary is cut, the model saved and loaded again, here and by Hugging Face: the logits stay."""
    from effopd.models.source import agree

    tokenizer = tiny.tokenizer()
    model = family_model(family, vocab_size=len(tokenizer) + padding, tie_word_embeddings=False, eos_token_id=1)
    with torch.no_grad():
        logits = model(IDS).logits[..., : len(tokenizer)]
    save_model(tmp_path / "published", model, tokenizer)
    edit(tmp_path / "published/config.json", tie_word_embeddings=tied if tied else family == "gemma")
    found = load_model(tmp_path / "published")
    agree(found, tokenizer)
    save_model(tmp_path / "base", found, tokenizer)
    assert json.loads((tmp_path / "base/config.json").read_text())["tie_word_embeddings"] is False
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    for one in (found, load_model(tmp_path / "base"), again):
        with torch.no_grad():
            assert one(IDS).logits.equal(logits)


def test_a_copy_of_the_embedding_is_a_tied_head(tmp_path: Path) -> None:
    tied = family_model("qwen3", tie_word_embeddings=True)
    save_model(tmp_path / "tied", tied, tiny.tokenizer())
    replaced(tmp_path / "tied", lm_head__weight=tied.lm_head.weight.detach().clone())
    found = load_model(tmp_path / "tied")
    assert found.lm_head.weight is found.model.embed_tokens.weight and found.config.tie_word_embeddings


def test_fewer_layers_than_the_files_hold_are_refused_by_name(tmp_path: Path) -> None:
    save_model(tmp_path / "two", tiny.model(layers=2), tiny.tokenizer())
    edit(tmp_path / "two/config.json", num_hidden_layers=1, layer_types=["full_attention"])
    said = refusal(tmp_path / "two")
    assert "11 weights (model.layers.1.input_layernorm.weight, " in said and "and 8 more) are in the files" in said


def test_more_layers_than_the_files_hold_are_refused_by_name(tmp_path: Path) -> None:
    save_model(tmp_path / "one", tiny.model(), tiny.tokenizer())
    edit(tmp_path / "one/config.json", num_hidden_layers=2, layer_types=["full_attention"] * 2)
    assert "11 weights (model.layers.1.input_layernorm.weight, " in refusal(tmp_path / "one")


def test_a_weight_that_the_model_has_no_place_for_is_named(folder: Path) -> None:
    replaced(folder, score__weight=torch.ones(1, 16))
    assert "1 weight (score.weight) is in the files and not in the model" in refusal(folder)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"])
def test_an_adapter_beside_the_model_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text(json.dumps({"base_model_name_or_path": "/nowhere", "peft_type": "LORA"}))
    assert refusal(folder).startswith(f"{folder / name}: an adapter (peft)")


@pytest.mark.parametrize(
    ("key", "settings", "method"),
    [
        ("quantization_config", {"quant_method": "gptq", "bits": 4, "group_size": 128}, "gptq"),
        ("quantization_config", {"quant_method": "awq", "bits": 4, "zero_point": True}, "awq"),
        ("quantization_config", {"load_in_4bit": True, "quant_method": "bitsandbytes"}, "bitsandbytes"),
        ("quantization_config", {"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8"),
        ("quantization_config", {"load_in_8bit": True}, "unknown method"),
        ("compression_config", {"quant_method": "compressed-tensors"}, "compressed-tensors"),
        ("text_config", {"quantization_config": {"quant_method": "mxfp4"}}, "mxfp4"),
    ],
)
def test_quantised_folders_are_refused(folder: Path, key: str, settings: object, method: str) -> None:
    edit(folder / "config.json", **{key: settings})
    assert refusal(folder) == (
        f"{folder}: the weights are quantised ({method}): updates and training need those they were made from"
    )


@pytest.mark.parametrize("name", ["quantize_config.json", "quant_config.json"])
def test_quantised_folders_of_older_tools_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_text('{"bits": 4}')
    assert f"quantised ({name})" in refusal(folder)


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (torch.full((24, 16), torch.nan), f"1 weight ({UP}) is not finite"),
        (torch.full((24, 16), -torch.inf, dtype=torch.bfloat16), f"1 weight ({UP}) is not finite"),
        (torch.ones(24, 16, dtype=torch.int8), f"{UP} is I8"),
        (torch.ones(24, 16, dtype=torch.int64), f"{UP} is I64"),
        (torch.ones(24, 16, dtype=torch.bool), f"{UP} is BOOL"),
        (torch.ones(24, 16, dtype=torch.complex64), f"{UP} is C64"),
    ],
)
def test_weights_that_are_no_numbers_to_compute_with_are_named(folder: Path, weight: Tensor, said: str) -> None:
    replaced(folder, **{UP: weight})
    assert said in refusal(folder)


def test_a_configuration_that_names_other_weights_is_refused(folder: Path) -> None:
    edit(folder / "config.json", transformers_weights="other.safetensors")
    assert refusal(folder).startswith(f"{folder / 'config.json'}: transformers_weights")


def test_end_tokens_below_zero_are_none(folder: Path) -> None:
    from effopd.models.source import adopt
    from effopd.models.tokenizer import end_tokens

    for given in (-1, [-1], [-1, 5]):
        edit(folder / "config.json", eos_token_id=given, pad_token_id=-1)
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": given}))
        model, tokenizer = adopt(folder)
        expected = [1, 5] if given == [-1, 5] else [1]
        assert end_tokens(model.config, tokenizer) == expected
        assert model.config.eos_token_id in (expected, expected[0])


@pytest.mark.parametrize("content", ["", "{", '{"model": {}}', '{"version": "1.0", "model": 3}', "[]", "null"])
def test_a_tokenizer_that_cannot_be_read_is_one_line(folder: Path, content: str) -> None:
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(DataError, match=r"saved: the tokenizer cannot be loaded \(") as caught:
        load_tokenizer(folder)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_opens_and_cannot_read_a_text_is_one_line(folder: Path) -> None:
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    faults = {
        "tokenizer_config.json": {"model_max_length": "x"},
        "tokenizer.json": {"model": model | {"vocab": {}}},  # not even a token for what it does not know
    }
    for file, fault in faults.items():
        before = (folder / file).read_text()
        edit(folder / file, **fault)
        with pytest.raises(DataError, match=r"saved: the tokenizer cannot be loaded \("):
            load_tokenizer(folder)
        (folder / file).write_text(before)
