"""Plans against models that were built, files that were written and sums done by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from families import FAMILIES, write_family
from test_cli import run
from torch import Tensor
from transformers import (
    DynamicCache,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from benchmarks.gpu import build
from effopd.files import DataError
from effopd.models.build import build_model
from effopd.models.store import load_model, save_model
from effopd.params.schema import Params
from effopd.params.section import parse, read_yaml
from effopd.params.teacher import TeacherParams
from effopd.planning.memory import Teaching, reference, stage_memory
from effopd.planning.plan import Machine, make_plan
from effopd.planning.published import PUBLISHED, source_shape, student_shape, teaching
from effopd.planning.shapes import Shape, built_shape, read_shape
from effopd.planning.text import parse_size
from effopd.planning.work import Throughput, checkpoint_bytes, disk_bytes, run_work
from effopd.train.engine import TorchEngine

ROOT = Path(__file__).parents[2]
SHAPE = Shape(100, 8, layers=2, heads=2, kv_heads=1, head_size=4, mlp_size=16, tied=False, qkv_bias=False, qk_norm=True)
P = 100 * 8 * 2 + 2 * (8 * 4 * (2 + 1) * 2 + 3 * 8 * 16) + 2 * (16 + 8) + 8
"""Parameters of `SHAPE`: embedding and head, projections, norms."""

SERVED = Teaching(None, 0, 0)
ZERO = {"name": "deepspeed", "ranks": 4, "precision": "bfloat16"}


def params(**sections: dict[str, Any]) -> Params:
    values = read_yaml(ROOT / "params.yaml")
    for section, keys in sections.items():
        values[section] |= keys
    return parse(Params, "", values)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published")
    for family in FAMILIES:
        write_family(root / family, family, ["What is 12 + 30? The answer is 42."])
    return root


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_are_those_of_a_model_that_was_built(published: Path, family: str) -> None:
    assert read_shape(published / family).parameters == load_model(published / family).num_parameters()


def test_parameters_are_those_that_the_base_builds() -> None:
    model = build_model(tiny.MODEL, tiny.tokenizer(), 0)
    assert built_shape(tiny.MODEL, len(tiny.tokenizer())).parameters == model.num_parameters()
    assert student_shape(tiny.MODEL, Path("none")).parameters == model.num_parameters()


@pytest.mark.parametrize(
    ("name", "billions", "without_embeddings"),
    [  # as the models' cards say
        ("Qwen/Qwen3-4B", 4.0, 3.6),
        ("Qwen/Qwen3-8B-Base", 8.2, 6.95),
        ("Qwen/Qwen2.5-7B", 7.61, 6.53),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", 1.78, 1.31),
    ],
)
def test_published_sizes_add_up_to_the_published_counts(name: str, billions: float, without_embeddings: float) -> None:
    shape = PUBLISHED[name]
    heads = 1 if shape.tied else 2
    assert shape.parameters / 1e9 == pytest.approx(billions, rel=0.008)
    assert (shape.parameters - heads * shape.embeddings) / 1e9 == pytest.approx(without_embeddings, rel=0.01)


def test_a_large_model_without_memory_has_as_many_parameters() -> None:
    shape = PUBLISHED["Qwen/Qwen3-4B"]
    assert build(shape, torch.device("meta"), 0).num_parameters() == shape.parameters


SIZES = {
    "vocab_size": 64,
    "hidden_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 160,
}
SMALL = {
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=40)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
}


def kept_for_backward(model: PreTrainedModel, ids_BL: Tensor) -> int:
    """Bytes of all tensors that autograd keeps of a forward pass to the last hidden states, weights not counted."""
    weights = {parameter.data_ptr() for parameter in model.parameters()}
    kept: dict[int, Any] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage  # holding it, so that no other tensor gets its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.model(ids_BL, position_ids=torch.arange(ids_BL.shape[1])[None].expand_as(ids_BL), use_cache=False)
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("number", [4, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_activations_are_what_autograd_keeps(tmp_path: Path, family: str, number: int) -> None:
    model = SMALL[family]().to(torch.float32 if number == 4 else torch.bfloat16)
    model.config.save_pretrained(tmp_path)
    ids_BL = torch.randint(0, 64, (4, 32))
    found = kept_for_backward(model, ids_BL) / ids_BL.numel()
    assert read_shape(tmp_path).activation_bytes(number, checkpointing=False) == pytest.approx(found, rel=0.03)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_cache_holds_as_many_numbers_of_a_token(published: Path, family: str) -> None:
    model = load_model(published / family)
    cache = DynamicCache(config=model.config)
    model(torch.tensor([[1, 2, 3, 4, 5]]), past_key_values=cache)
    held = sum(layer.keys.numel() + layer.values.numel() for layer in cache.layers)
    assert read_shape(published / family).cached_values * 5 == held


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_is_its_tensors_and_a_header(published: Path, tmp_path: Path, family: str) -> None:
    from effopd.models.source import adopt

    save_model(tmp_path / "base", *adopt(published / family))
    file = (tmp_path / "base" / "model.safetensors").read_bytes()
    header = 8 + int.from_bytes(file[:8], "little")
    assert checkpoint_bytes(read_shape(tmp_path / "base")) == len(file) - header


def test_the_optimisers_state_is_twice_the_weights() -> None:
    model = tiny.model()
    engine = TorchEngine(model, tiny.OPTIMIZER, 1e-3)
    engine.backward(model(torch.tensor([[3, 4]])).logits.sum())
    gradients = sum(parameter.grad.nbytes for parameter in model.parameters())
    engine.step(1)
    held = dict.fromkeys(("weights", "optimizer"), 0)
    for name, tensor in engine.state().items():
        if not name.startswith("optimizer/step"):
            held[name.partition("/")[0]] += tensor.nbytes
    needed = memory("opd", params(), built_shape(tiny.MODEL, len(tiny.tokenizer())))
    assert (held["weights"], held["optimizer"]) == (needed["weights"], needed["moments"])
    assert gradients == needed["gradients"]


def memory(stage: Any, of: Params, shape: Shape = SHAPE) -> dict[str, float]:
    found = stage_memory(stage, of, shape, reference(SHAPE), prompt_tokens=10, device_memory=1e6)
    return {part.name: part.bytes for part in found.parts}


def test_teachers_are_planned_for_where_they_run(published: Path) -> None:
    values = read_yaml(ROOT / "params.yaml")["teacher"]
    other = values | {"source": str(published / "llama")}
    del other["named"], other["top_k"], other["gpu_memory"]
    server = other | {"source": "served-name", "engine": "served", "url": "http://127.0.0.1:8000"}

    def found(**keys: Any) -> Teaching:
        return teaching(parse(TeacherParams, "teacher", values | keys), SHAPE)

    folder = read_shape(published / "llama")
    assert found() == Teaching(SHAPE, P, 0)
    assert found(source=str(published / "llama")) == Teaching(folder, folder.parameters, 0)
    assert found(engine="vllm") == Teaching(SHAPE, 0, 1)
    assert found(**server) == SERVED
    assert found(named={"a": other, "b": server}) == Teaching(folder, P + folder.parameters, 0)
    assert found(source="Qwen/Qwen3-4B").scoring == PUBLISHED["Qwen/Qwen3-4B"]
    of = params(teacher={"engine": "vllm", "gpu_memory": 0.25})
    parts = stage_memory("opd", of, SHAPE, found(engine="vllm"), 10, 1e6).parts
    assert {part.name: part.bytes for part in parts}["teacher in vLLM"] == 2.5e5


def test_disk_counts_every_checkpoint_of_every_run() -> None:
    of = params(
        run={"replicates": [0, 1]}, trajectory={"per_octave": 1},
        rl={"steps": 4}, opd={"steps": 8, "sweep": [1e-3], "sweep_steps": 2}, effopd={"steps": 3},
        effopd_free={"steps": 1},
    )  # fmt: skip
    kept = 4 + 2 * (5 + 4 + 2) + 3  # rl 0 1 2 4, opd 0 1 2 4 8, effopd 0 1 2 3, free 0 1, sweep 0 1 2
    found = disk_bytes(of, SHAPE)
    assert found["checkpoints"] == kept * 4 * P
    assert sum(found.values()) == 4 * P * (1 + kept + kept + 1 + 8)


def test_hours_by_hand() -> None:
    of = params(
        rollout={"max_new_tokens": 20}, opd={"prompts_per_step": 6}, effopd={"samples": 2, "multipliers": [2, 4]},
        data={"validation": 5},
    )  # fmt: skip
    speed = Throughput(flops=1e6, bytes=1e3, length=0.5)
    work = run_work("opd", 3, of, SHAPE, SHAPE, 4, speed, cache_bytes=1e9)
    assert work.sampled_tokens == 3 * 6 * 10
    token = 2 * (2 * (192 + 384) + 800) + 4 * 2 * 2 * 4 * 9  # matrices and head, attention to 4 + 10/2 others
    assert work.training_seconds == pytest.approx(3 * 6 * (4 + 10) * 4 * token / 1e6)  # forward, backward, teacher
    reads = 4 * P + 6 * 9 * 16 * 4  # the weights, and the cache of six sequences
    prefill = 6 * 4 * (2 * (2 * (192 + 384) + 800) + 64 * 2) / 1e6
    assert work.sampling_seconds == pytest.approx(3 * (10 * reads / 1e3 + prefill))
    leaping = run_work("effopd", 3, of, SHAPE, SHAPE, 4, speed, cache_bytes=1e9)
    assert leaping.sampled_tokens == 3 * 6 * 10 + 2 * 3 * 10 * 10  # steps 1 and 2, the weights and two candidates
    free = params(
        rollout={"max_new_tokens": 20}, opd={"prompts_per_step": 6},
        effopd_free={"multipliers": [1, 3, -0.5], "triggers": 2, "updates_per_batch": 4, "score_share": 0.5},
    )  # fmt: skip
    found = run_work("effopd-free", 3, free, SHAPE, SHAPE, 4, speed, cache_bytes=1e9)
    assert found.sampled_tokens == 3 * 6 * 10, "nothing is sampled to search"
    passed = 4 * 3 + 1 + 2 * 4 * 0.5  # forth and back four times, the teacher, two searches of four models on half
    assert found.training_seconds == pytest.approx(3 * 6 * (4 + 10) * passed * token / 1e6)
    fewer = run_work("opd", 3, of, SHAPE, SHAPE, 4, speed, cache_bytes=3 * 9 * 16 * 4)
    assert fewer.sampling_seconds > work.sampling_seconds, "three at a time read the weights twice"


def test_what_cannot_fit_is_said_with_numbers() -> None:
    of = params(
        engine=ZERO | {"zero_stage": 2}, optimizer={"micro_batch": 1},
        rollout={"engine": "vllm", "gpu_memory": 0.1, "max_new_tokens": 4096},
    )  # fmt: skip
    shape = PUBLISHED["Qwen/Qwen3-4B"]
    speed = Throughput(3e14, 2e12, 0.5)
    small = Machine(gpus=2, gpu_memory=24 * 2**30, memory=2**36, disk=2**30)
    found = make_plan(of, shape, reference(shape), 512, small, speed).problems
    said = ["engine.ranks is 4, there are 2 GPUs", "rollout.gpu_memory gives vLLM 2.4 GiB", "opd: needs", "disk:"]
    assert all(any(problem.startswith(start) for problem in found) for start in said), found
    assert all(re.search(r"\d", problem) for problem in found)
    large = Machine(gpus=4, gpu_memory=2**40, memory=2**40, disk=2**50)
    assert make_plan(of, shape, reference(shape), 512, large, speed).problems == ()


def test_a_device_that_the_machine_lacks_is_said() -> None:
    shape, speed = PUBLISHED["Qwen/Qwen3-4B"], Throughput(3e14, 2e12, 0.5)
    machine = Machine(gpus=0, gpu_memory=0, memory=2**45, disk=2**50)
    found = make_plan(params(run={"device": "cuda"}), shape, reference(shape), 512, machine, speed).problems
    assert found == ("run.device is cuda, and there is no GPU",)


def test_exopd_holds_a_reference_and_rl_no_second_one() -> None:
    of = params(opd={"loss": "exopd"})
    held = {stage: stage_memory(stage, of, SHAPE, reference(SHAPE), 4, 2.0**40) for stage in ("rl", "opd", "effopd")}
    parts = {stage: [part.name for part in memory.parts] for stage, memory in held.items()}
    assert [names.count("reference") for names in parts.values()] == [1, 1, 1]


@pytest.mark.parametrize(
    ("top_k", "loss_chunk", "numbers"), [(0, 0, "vocabulary"), (0, 64, "hidden_size"), (5, 0, 17), (-1, 0, 5)]
)
def test_what_the_teacher_said_of_a_batch_is_kept_where_it_is_used_again(
    top_k: int, loss_chunk: int, numbers: str | int
) -> None:
    """Ids of eight bytes, their log-probabilities, that of any other and the token's own; or logits, or states."""
    of = params(
        rollout={"max_new_tokens": 20}, opd={"prompts_per_step": 6, "loss": "sampled"},
        engine={"loss_chunk": loss_chunk},
        teacher={"top_k": top_k}, effopd_free={"updates_per_batch": 1},
    )  # fmt: skip
    kept = "teacher's outputs of a batch"
    parts = {part.name: part.bytes for part in stage_memory("effopd-free", of, SHAPE, reference(SHAPE), 4, 1e9).parts}
    assert parts[kept] == 4 * 6 * 20 * (getattr(SHAPE, numbers) if isinstance(numbers, str) else numbers)
    assert kept not in {part.name for part in stage_memory("opd", of, SHAPE, reference(SHAPE), 4, 1e9).parts}
    again = params(opd={"updates_per_batch": 2})
    assert kept in {part.name for part in stage_memory("opd", again, SHAPE, reference(SHAPE), 4, 1e9).parts}


@pytest.mark.parametrize(
    ("text", "size"), [("80GiB", 80 * 2**30), ("1.5 TB", 1.5e12), ("1024", 1024), ("24G", None), ("many", None)]
)
def test_sizes(text: str, size: float | None) -> None:
    if size is None:
        with pytest.raises(ValueError, match="is not a size such as 80GiB"):
            parse_size(text)
    else:
        assert parse_size(text) == size


def test_models_of_unknown_size_are_named(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.json").write_text('{"model_type": "gpt2", "n_embd": 8}')
    with pytest.raises(DataError, match=r"config\.json: not the sizes of a Qwen2, Qwen3 or Llama model"):
        source_shape("other", "", tmp_path)
    with pytest.raises(DataError, match=r"absent/config\.json: no such file"):
        source_shape("absent", "", tmp_path)
    with pytest.raises(DataError, match=r"hf download someone/thing config\.json"):
        source_shape("someone/thing", "", tmp_path)


def test_the_command_prints_the_plan_or_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert run(monkeypatch, "plan", "--gpus", "0", "--memory", "8GiB", "--disk", "1TB") == 0
    out = capsys.readouterr().out
    assert out.endswith("It fits.\n") and "An estimate: " in out and "opd-lr-0.0003" in out
    assert "run.device is cpu, so 8 GPUs would stay idle" in str(run(monkeypatch, "plan", "--gpus", "8"))
    said = run(monkeypatch, "plan", "--gpus", "0", "--memory", "8MiB", "--disk", "1TB")
    assert re.fullmatch(r"error: rl: 1 ranks need \d+\.\d MiB, this machine has 8\.0 MiB of memory", str(said))
    assert capsys.readouterr().out.endswith("\n"), "the refusal stands on a line of its own"
