"""Existing models as students: one vocabulary, one set of end tokens, padding, and refusals in one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from families import FAMILIES, PADDING, write_family
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from effopd.datasets.prompts import AS_IT_IS, Renderer
from effopd.datasets.rows import Example
from effopd.files import DataError, hash_path
from effopd.models.source import adopt, fetch
from effopd.models.store import load_model, load_tokenizer, save_model
from effopd.models.tokenizer import byte_tokenizer, encode_demonstrations, encode_prompts, end_tokens
from effopd.params.model import ModelParams
from effopd.params.prompt import PromptParams
from effopd.params.section import ParamsError, parse, read_yaml
from effopd.rollout.sampler import sample

ROOT = Path(__file__).parents[2]
TEXTS = ["What is 12 + 30? The answer is 42.", "Wie viel ist 2 × 3? 漢字"] * 20
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published")
    for family in FAMILIES:
        write_family(root / family, family, TEXTS)
    return root


@pytest.fixture
def llama(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published / "llama", tmp_path / "llama"))


def never(model: PreTrainedModel, tokens: list[int]) -> None:
    """Take the probability from some tokens."""
    hook = model.get_output_embeddings().register_forward_hook
    hook(lambda module, inputs, logits: logits.index_fill(-1, torch.tensor(tokens), -torch.inf))


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_is_cut_off_and_nothing_else_changes(published: Path, family: str) -> None:
    was = AutoModelForCausalLM.from_pretrained(published / family, dtype=torch.float32).eval()
    model, tokenizer = adopt(published / family)
    assert model.config.vocab_size == len(tokenizer) == was.config.vocab_size - PADDING
    ids = torch.tensor([[5, 99, 250, 7]])
    with torch.no_grad():
        assert model(ids).logits.equal(was(ids).logits[..., :-PADDING])
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adopted_model_comes_back_from_disk_the_same(published: Path, tmp_path: Path, family: str) -> None:
    model, tokenizer = adopt(published / family)
    save_model(tmp_path / "base", model, tokenizer)
    again, same = load_model(tmp_path / "base"), load_tokenizer(tmp_path / "base")
    for (name, before), (other, after) in zip(model.named_parameters(), again.named_parameters(), strict=True):
        assert name == other and before.equal(after)
    assert end_tokens(again.config, same) == end_tokens(model.config, tokenizer)
    assert same.chat_template == tokenizer.chat_template and same.pad_token == tokenizer.pad_token
    assert AutoTokenizer.from_pretrained(tmp_path / "base")(TEXTS[1])["input_ids"] == tokenizer(TEXTS[1])["input_ids"]
    twice = adopt(tmp_path / "base")
    save_model(tmp_path / "twice", *twice)
    assert hash_path(tmp_path / "base") == hash_path(tmp_path / "twice")


@pytest.mark.parametrize(
    ("family", "ends"),
    [
        ("qwen3", {"<|im_end|>", "<|endoftext|>"}),  # the second is in generation_config.json alone
        ("qwen2", {"<|endoftext|>"}),
        ("llama", {"<|eot_id|>", "<|end_of_text|>"}),  # the second is in config.json alone
    ],
)
def test_every_end_token_that_a_file_names_ends_a_completion(published: Path, family: str, ends: set[str]) -> None:
    model, tokenizer = adopt(published / family)
    found = end_tokens(model.config, tokenizer)
    assert set(tokenizer.convert_ids_to_tokens(found)) == ends
    uniforms_BT = torch.rand((1, 4), dtype=torch.float64).numpy()
    for end in found:
        forced, _ = adopt(published / family)
        never(forced, [i for i in range(len(tokenizer)) if i != end])
        rollout = sample(forced, tokenizer, ["What is 3"], 4, uniforms_BT)
        assert rollout.tokens_BT.tolist() == [[end]] and not rollout.truncated_B.any() and rollout.texts == [""]


def test_prompts_begin_once_and_completions_never(published: Path) -> None:
    _, tokenizer = adopt(published / "llama")
    begin = tokenizer.bos_token_id
    (row,), (length,) = encode_demonstrations(tokenizer, [("What is 3", " + 4")])
    assert row[0] == begin and row.count(begin) == 1 and row[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(row[length:-1]) == " + 4"
    assert encode_demonstrations(tokenizer, []) == ([], []), "a base that is left as it is needs none"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_chat_template_is_applied_once(published: Path, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(published)
    params = PromptParams(style="chat", tokenizer=family, revision="", thinking=False, date="")
    text = Renderer(params).render(Example(1, "What is 2 + 3?", "exact", "5"), AS_IT_IS)
    _, tokenizer = adopt(published / family)
    ids_BP, _ = encode_prompts(tokenizer, [text])
    options = {"enable_thinking": False} if family == "qwen3" else {}
    expected = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is 2 + 3?"}], add_generation_prompt=True, return_dict=False, **options
    )
    assert ids_BP[0].tolist() == expected


TEMPLATES = [
    "{% if %}", "{{ x.y.z }}", "{{ 1 / 0 }}", "{{ raise_exception('no') }}", "{{ messages[9].content }}",
    "{% for i in range(10 ** 9) %}{% endfor %}", "{{ messages | nonsense }}", "{{ ''.__class__.__mro__ }}",
    "{% include 'x' %}", "{{ 'x' * messages }}",
]  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_chat_template_that_fails_is_one_line(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str
) -> None:
    shutil.copytree(published / "qwen3", tmp_path / "broken")
    (tmp_path / "broken/chat_template.jinja").write_text(template)
    monkeypatch.chdir(tmp_path)
    params = PromptParams(style="chat", tokenizer="broken", revision="", thinking=False, date="")
    with pytest.raises(DataError, match=r"^row 1: broken: its chat template fails \(\w+: ") as caught:
        Renderer(params).render(Example(1, "What is 2 + 3?", "exact", "5"), AS_IT_IS)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_missing_padding_token_is_an_end_token_and_stays_masked(published: Path) -> None:
    assert AutoTokenizer.from_pretrained(published / "llama").pad_token is None
    model, tokenizer = adopt(published / "llama")
    assert tokenizer.pad_token == "<|eot_id|>" and model.config.pad_token_id == tokenizer.eos_token_id
    uniforms_BT = torch.rand((2, 5), dtype=torch.float64, generator=torch.Generator().manual_seed(1)).numpy()
    alone = sample(model, tokenizer, ["What is 2"], 5, uniforms_BT[:1])
    beside = sample(model, tokenizer, ["What is 2", "Wie viel ist 2 × 3? 漢字"], 5, uniforms_BT)
    width = alone.tokens_BT.shape[1]
    assert beside.tokens_BT[0, :width].equal(alone.tokens_BT[0])
    torch.testing.assert_close(beside.logprobs_BT[0, :width], alone.logprobs_BT[0])


def edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused(published: Path, tmp_path: Path) -> None:
    write_family(tmp_path / "small", "qwen2", TEXTS, padding=-3)
    with pytest.raises(DataError, match=r"small: the tokenizer has \d+ tokens, the model embeddings of \d+$"):
        adopt(tmp_path / "small")


def test_a_model_that_never_ends_is_refused(llama: Path) -> None:
    edit(llama / "config.json", eos_token_id=None)
    edit(llama / "tokenizer_config.json", eos_token=None)
    (llama / "generation_config.json").unlink()
    with pytest.raises(DataError, match="llama: no end token"):
        adopt(llama)


def test_a_tokenizer_that_ends_every_text_is_refused(llama: Path) -> None:
    content = json.loads((llama / "tokenizer.json").read_text())
    special = content["post_processor"]["special_tokens"]["<|begin_of_text|>"]
    special["ids"] = [next(t["id"] for t in content["added_tokens"] if t["content"] == "<|eot_id|>")]
    template = content["post_processor"]["single"]
    content["post_processor"]["single"] = template[::-1]
    (llama / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="llama: the tokenizer puts an end token behind every text"):
        adopt(llama)


def test_a_model_on_the_hub_needs_a_commit() -> None:
    with pytest.raises(DataError, match=r"effopd pin --model Qwen/Qwen3-4B"):
        fetch("Qwen/Qwen3-4B", "")


def test_a_model_on_the_hub_is_read_from_the_cache(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache as the hub's client lays it out; the tests are offline."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--someone--tiny"
    shutil.copytree(published / "qwen3", repository / "snapshots" / COMMIT)
    folder = fetch("someone/tiny", COMMIT)
    assert folder == repository / "snapshots" / COMMIT
    adopt(folder)
    with pytest.raises(DataError, match=r"model\.source: someone/tiny cannot be fetched \(") as caught:
        fetch("someone/tiny", COMMIT[::-1])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"source": "/srv/models/qwen"}, "model.source: must be empty"),
        ({"source": "../qwen"}, "model.source: must be empty"),
        ({"source": "a/b/c"}, "model.source: must be empty, the name of a folder in data/models/"),
        ({"source": "Qwen/Qwen3-4B", "revision": "main"}, "model.revision: must be 40 hexadecimal digits"),
        ({"source": "mine", "revision": COMMIT}, "revision pins a model on the hub"),
        ({"revision": COMMIT}, "revision pins a model on the hub"),
        ({"vocabulary": 200}, "model.vocabulary: must be 0 or at least 258"),
    ],
)
def test_a_source_that_cannot_be_tracked_is_named(values: dict[str, object], said: str) -> None:
    section = read_yaml(ROOT / "params.yaml")["model"]
    with pytest.raises(ParamsError) as caught:
        parse(ModelParams, "model", section | values)
    assert said in str(caught.value)


LEARN = """
import sys
from effopd.models.tokenizer import byte_tokenizer
tokenizer = byte_tokenizer(["What is 12 + 30? The answer is 42.", "Émile × 漢字"] * 50, 280)
tokenizer.save_pretrained(sys.argv[1])
"""


def test_learned_tokens_are_the_same_in_every_process(tmp_path: Path) -> None:
    for name in ("one", "two"):
        subprocess.run([sys.executable, "-c", LEARN, str(tmp_path / name)], cwd=ROOT, check=True)
    assert hash_path(tmp_path / "one") == hash_path(tmp_path / "two")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "one")
    assert len(tokenizer) == 280


def test_learned_tokens_spell_any_text_and_shorten_what_was_learned_from() -> None:
    tokenizer = byte_tokenizer(TEXTS, 300)
    for text in ("Größe: ∑ 3·4\n\tdone", TEXTS[0]):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert len(tokenizer(TEXTS[0])["input_ids"]) < len(TEXTS[0]) / 1.5
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 1)
