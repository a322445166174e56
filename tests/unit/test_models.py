"""Models and tokenizers on disk: what Hugging Face loads, what is refused, and errors that name the folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from effopd.files import DataError, hash_path
from effopd.models.build import build_model
from effopd.models.store import load_model, load_tokenizer, save_model
from effopd.models.tokenizer import decode_completions, encode_demonstrations, encode_prompts, pad_right

IDS = torch.tensor([[2, 12, 5, 16]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "saved", tiny.model(), tiny.tokenizer())
    return tmp_path / "saved"


def test_hugging_face_loads_the_same_model_and_tokenizer(folder: Path) -> None:
    found = AutoModelForCausalLM.from_pretrained(folder)
    assert type(found) is Qwen3ForCausalLM and found.dtype == torch.float32
    with torch.no_grad():
        assert found(IDS).logits.equal(tiny.model()(IDS).logits)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "3+8-4*2?3+8=1;#7"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert (tokenizer.pad_token, tokenizer.eos_token) == ("<pad>", "<eos>")
    assert (found.config.pad_token_id, found.config.eos_token_id) == (0, 1)


def test_hugging_face_generates_what_our_sampler_decodes_greedily(folder: Path) -> None:
    from effopd.rollout.sampler import sample

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    prompts = ["3+8?", "1?", "2*2*2?"]
    ours = sample(load_model(folder), load_tokenizer(folder), prompts, 6, None)
    for prompt, text in zip(prompts, ours.texts, strict=True):
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        theirs = model.generate(ids, max_new_tokens=6, do_sample=False)[0, ids.shape[1] :]
        assert tokenizer.decode(theirs, skip_special_tokens=True) == text


def test_what_is_saved_comes_back_bit_for_bit_and_ready_to_evaluate(folder: Path) -> None:
    found = load_model(folder)
    assert not found.training
    for (name, expected), (other, weight) in zip(
        tiny.model().named_parameters(), found.named_parameters(), strict=True
    ):
        assert name == other and weight.dtype == torch.float32 and weight.equal(expected)


def test_saving_is_the_same_bytes_wherever_and_whenever(tmp_path: Path, folder: Path) -> None:
    copies = [tmp_path / "one", tmp_path / "else" / "where"]
    for source, copy in zip([folder, copies[0]], copies, strict=True):
        save_model(copy, load_model(source), load_tokenizer(source))
    assert hash_path(copies[0]) == hash_path(copies[1])
    texts = "".join(file.read_text() for file in copies[1].glob("*.json"))
    assert str(tmp_path) not in texts, "no absolute paths"


def test_only_safetensors_are_written_and_in_float32(folder: Path) -> None:
    names = {file.name for file in folder.iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    with safe_open(folder / "model.safetensors", "pt") as weights:
        assert {weights.get_tensor(name).dtype for name in weights.keys()} == {torch.float32}  # noqa: SIM118


def test_half_precision_checkpoints_are_loaded_in_float32(folder: Path) -> None:
    path = folder / "model.safetensors"
    halves = {name: tensor.bfloat16() for name, tensor in load_file(path).items()}
    save_file(halves, path, {"format": "pt"})
    found = dict(load_model(folder).named_parameters())
    assert all(found[name].equal(half.float()) and found[name].dtype == torch.float32 for name, half in halves.items())


def test_half_precision_is_of_parameters_alone_and_leaves_rotary_angles_exact(folder: Path) -> None:
    half, whole = load_model(folder, "bfloat16"), load_model(folder)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}
    buffers = dict(whole.named_buffers())
    frequencies = {name: buffer for name, buffer in half.named_buffers() if name.endswith("inv_freq")}
    assert frequencies and all(buffer.equal(buffers[name]) for name, buffer in frequencies.items())


def test_tied_embeddings_are_stored_once_and_tied_again(tmp_path: Path) -> None:
    config = Qwen3Config(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        intermediate_size=24,
        tie_word_embeddings=True,
    )
    tied = Qwen3ForCausalLM(config).eval()
    save_model(tmp_path / "tied", tied, tiny.tokenizer())
    assert "lm_head.weight" not in load_file(tmp_path / "tied" / "model.safetensors")
    found = load_model(tmp_path / "tied")
    assert found.lm_head.weight is found.model.embed_tokens.weight
    with torch.no_grad():
        assert found(IDS).logits.equal(tied(IDS).logits)


def test_a_save_that_fails_leaves_the_model_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hash_path(folder)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("effopd.models.store.save_weights", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(folder, tiny.model(1), tiny.tokenizer())
    assert hash_path(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["saved"]


def only_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def without_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.0.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def with_another_shape(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["lm_head.weight"][:-1].clone()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def cut(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return damage


def written(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    "damage",
    [
        shutil.rmtree,
        only_pickle,
        without_a_tensor,
        with_another_shape,
        cut("model.safetensors"),
        cut("config.json"),
        written("model.safetensors", "nonsense"),
        written("config.json", "{}"),
        written("config.json", '{"model_type": "no-such-model"}'),
        written("config.json", '{"model_type": "qwen3", "hidden_size": "wide"}'),
        written("config.json", "[1]"),
    ],
    ids=[
        "missing", "pickle", "tensor missing", "shape", "weights cut", "config cut", "weights nonsense",
        "config empty", "config unknown", "config ill-typed", "config a list",
    ],
)  # fmt: skip
def test_a_damaged_model_is_named_in_one_line(folder: Path, damage: Callable[[Path], object]) -> None:
    damage(folder)
    with pytest.raises(DataError) as caught:
        load_model(folder)
    assert str(caught.value).startswith(str(folder)) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damage", [shutil.rmtree, cut("tokenizer.json"), written("tokenizer.json", "{}"), written("tokenizer.json", "")]
)
def test_a_damaged_tokenizer_is_named_in_one_line(folder: Path, damage: Callable[[Path], object]) -> None:
    damage(folder)
    with pytest.raises(DataError) as caught:
        load_tokenizer(folder)
    assert str(caught.value).startswith(f"{folder}: ") and "\n" not in str(caught.value)


def test_code_inside_a_model_folder_is_never_run(folder: Path) -> None:
    trap = folder.parent / "ran"
    (folder / "trap.py").write_text(f"open({str(trap)!r}, 'w').close()\nclass Trap: pass\n")
    config = json.loads((folder / "config.json").read_text())
    remote = config | {
        "model_type": "trap",
        "auto_map": {"AutoConfig": "trap.Trap", "AutoModelForCausalLM": "trap.Trap"},
    }
    (folder / "config.json").write_text(json.dumps(remote))
    with pytest.raises(DataError):
        load_model(folder)
    assert not trap.exists()


def test_random_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = build_model(tiny.MODEL, tiny.tokenizer(), 5).state_dict()
    state = torch.get_rng_state()
    torch.manual_seed(2)
    again, other = (build_model(tiny.MODEL, tiny.tokenizer(), seed).state_dict() for seed in (5, 6))
    torch.manual_seed(1)
    assert all(first[name].equal(again[name]) for name in first)
    assert not first["lm_head.weight"].equal(other["lm_head.weight"])
    assert torch.get_rng_state().equal(state), "building draws from nobody else's numbers"


def test_a_model_has_the_shape_that_was_asked_for() -> None:
    params = tiny.with_values(tiny.MODEL, layers=3, heads=4, kv_heads=2, hidden_size=24, mlp_size=40, context=50)
    found = build_model(params, tiny.tokenizer(), 0)
    shapes = {name: tuple(tensor.shape) for name, tensor in found.named_parameters()}
    assert shapes["model.layers.2.self_attn.q_proj.weight"] == (24, 24)
    assert shapes["model.layers.2.self_attn.k_proj.weight"] == (12, 24)
    assert shapes["model.layers.0.mlp.down_proj.weight"] == (24, 40)
    assert shapes["lm_head.weight"] == shapes["model.embed_tokens.weight"] == (len(tiny.tokenizer()), 24)
    assert "model.layers.3.mlp.down_proj.weight" not in shapes
    assert found.config.max_position_embeddings == 50


def test_characters_are_tokens_in_the_order_of_the_alphabet() -> None:
    tokenizer = tiny.tokenizer("xyz?")
    assert tokenizer("zx?")["input_ids"] == [4, 2, 5]
    assert len(tokenizer) == 6
    assert tokenizer.decode([2, 3, 4, 1, 0], skip_special_tokens=True) == "xyz"


def test_prompts_are_padded_on_the_left_and_masked_there() -> None:
    ids_BP, mask_BP = encode_prompts(tiny.tokenizer("xyz?"), ["x?", "xyz?"])
    assert ids_BP.tolist() == [[0, 0, 2, 5], [2, 3, 4, 5]]
    assert mask_BP.tolist() == [[0, 0, 1, 1], [1, 1, 1, 1]]


def test_demonstrations_end_with_the_end_token_behind_prompt_and_completion() -> None:
    rows, lengths = encode_demonstrations(tiny.tokenizer("xyz?"), [("x?", "yz"), ("zz?", "")])
    assert rows == [[2, 5, 3, 4, 1], [4, 4, 5, 1]]
    assert lengths == [2, 3]


def test_texts_are_made_of_unmasked_tokens_without_the_special_ones() -> None:
    tokens_BT = torch.tensor([[2, 3, 1, 4], [4, 4, 4, 0]])
    mask_BT = torch.tensor([[1.0, 1, 1, 0], [1, 1, 0, 0]])
    assert decode_completions(tiny.tokenizer("xyz?"), tokens_BT, mask_BT) == ["xy", "zz"]


def test_rows_are_filled_on_the_right() -> None:
    assert pad_right([[1, 2, 3], [4]], -100).tolist() == [[1, 2, 3], [4, -100, -100]]
