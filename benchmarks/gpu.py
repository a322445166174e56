"""Training steps of real sizes on one GPU: `make bench-gpu`, or

    python benchmarks/gpu.py [--toy] [--device cuda] [--out reports/bench-gpu.json]

in an environment with torch, transformers and this project. A student of Qwen3-0.6B's shape and a teacher of
Qwen3-1.7B's have random weights, and completions are random tokens: speed and memory do not depend on either, and
nothing is downloaded. Passes are in bfloat16 over float32 masters. Each figure is the median of a few repetitions.
`--toy` runs the same path in seconds, on a CPU too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from effopd.extrapolation.line import Line, copies
from effopd.extrapolation.scores import teacher_kl
from effopd.extrapolation.search import search
from effopd.files import write_json
from effopd.losses.policy_gradient import clipped_surrogate, reference_kl, sequence_mean
from effopd.losses.reverse_kl import reverse_kl
from effopd.losses.tokens import masked_sum
from effopd.models.precision import at_precision
from effopd.models.tokenizer import character_tokenizer
from effopd.params.optimizer import OptimizerParams
from effopd.planning.shapes import Shape
from effopd.rollout.sampler import Rollout, sample
from effopd.seeding import uniforms
from effopd.spectral.geometry import update_spectrum
from effopd.tasks.arithmetic import ALPHABET
from effopd.teachers.local import LocalTeacher
from effopd.train.engine import TorchEngine
from effopd.train.objective import Judged, token_scores
from effopd.train.scoring import model_logprobs, policy_scores

REPORT = Path("reports/bench-gpu.json")
PRECISION = "bfloat16"
MULTIPLIERS = (2.0, 4.0, 8.0, 16.0, 32.0)
OPTIMIZER = OptimizerParams(beta1=0.9, beta2=0.999, weight_decay=0.01, max_grad_norm=1.0, micro_batch=1)
RATE, CLIP, PULL = 1e-6, 0.2, 0.001


@dataclass(frozen=True)
class Sizes:
    """prompt, completion: tokens of each of the sequences of a micro-batch, which is a step.

    chunk: tokens whose logits exist at once. drawn, new_tokens: completions that are sampled together, and their
    length. product: the side of the square matrices that measure the chip.
    """

    student: Shape
    teacher: Shape
    sequences: int
    prompt: int
    completion: int
    chunk: int
    drawn: int
    new_tokens: int
    product: int
    repetitions: int

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """Of one layer of the student, whose spectra are taken: queries, keys, values, results, and the MLP's three."""
        shape, hidden, mlp = self.student, self.student.hidden_size, self.student.mlp_size
        queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
        attention = [(queries, hidden), (keys, hidden), (keys, hidden), (hidden, queries)]
        return [*attention, (mlp, hidden), (mlp, hidden), (hidden, mlp)]


def qwen3(vocabulary: int, hidden: int, layers: int, heads: int, kv_heads: int, head: int, mlp: int) -> Shape:
    return Shape(
        vocabulary=vocabulary,
        hidden_size=hidden,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_size=head,
        mlp_size=mlp,
        tied=True,
        qkv_bias=False,
        qk_norm=True,
    )


FULL = Sizes(
    student=qwen3(151_936, 1024, 28, 16, 8, 128, 3072),
    teacher=qwen3(151_936, 2048, 28, 16, 8, 128, 6144),
    sequences=1,
    prompt=512,
    completion=3584,
    chunk=512,
    drawn=64,
    new_tokens=128,
    product=8192,
    repetitions=5,
)
TOY = Sizes(
    student=qwen3(96, 32, 2, 4, 2, 8, 64),
    teacher=qwen3(96, 48, 2, 4, 2, 8, 96),
    sequences=2,
    prompt=4,
    completion=12,
    chunk=5,
    drawn=3,
    new_tokens=4,
    product=64,
    repetitions=1,
)


def build(shape: Shape, device: torch.device, seed: int) -> PreTrainedModel:
    config = Qwen3Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_size,
        intermediate_size=shape.mlp_size,
        max_position_embeddings=8192,
        tie_word_embeddings=shape.tied,
        pad_token_id=0,
        eos_token_id=None,  # so that every completion is sampled to its whole length
        bos_token_id=None,
    )
    torch.manual_seed(seed)
    with device:
        return Qwen3ForCausalLM(config).eval()


def completions(sizes: Sizes, student: PreTrainedModel) -> Rollout:
    """Random tokens, with the student's own log-probabilities."""
    draws, device = torch.Generator().manual_seed(0), student.device
    shape = (sizes.sequences, sizes.prompt + sizes.completion)
    tokens_BL = torch.randint(1, sizes.student.vocabulary, shape, generator=draws).to(device)
    prompts_BP, tokens_BT = tokens_BL[:, : sizes.prompt], tokens_BL[:, sizes.prompt :]
    rollout = Rollout(
        prompts_BP=prompts_BP,
        prompt_mask_BP=torch.ones_like(prompts_BP),
        tokens_BT=tokens_BT,
        mask_BT=torch.ones_like(tokens_BT, dtype=torch.float32),
        logprobs_BT=torch.zeros_like(tokens_BT, dtype=torch.float32),
        truncated_B=torch.ones(sizes.sequences, dtype=torch.bool, device=device),
        texts=[""] * sizes.sequences,
    )
    return Rollout(**(vars(rollout) | {"logprobs_BT": model_logprobs(student, rollout, sizes.chunk)}))


@dataclass(frozen=True)
class Bench:
    """The parties, and what is measured of them."""

    sizes: Sizes
    engine: TorchEngine
    teacher: PreTrainedModel
    reference: PreTrainedModel
    rollout: Rollout

    @property
    def tokens(self) -> int:
        return self.sizes.sequences * (self.sizes.prompt + self.sizes.completion)

    def judged(self, chunk: int) -> Judged:
        judgement = LocalTeacher(self.teacher).judge(self.rollout, [""] * self.sizes.sequences, chunk)
        return Judged(self.rollout, judgement, self.rollout.logprobs_BT)

    def opd_step(self, chunk: int) -> None:
        scores = token_scores(self.engine, self.judged(chunk), reverse_kl, chunk)
        self.engine.backward(masked_sum(scores.loss_BT, self.rollout.mask_BT) / self.rollout.mask_BT.sum())
        self.engine.step(1)

    def grpo_step(self, chunk: int) -> None:
        policy_BT, _ = policy_scores(self.engine, self.rollout, chunk)
        reference_BT = model_logprobs(self.reference, self.rollout, chunk)
        advantages_B1 = torch.linspace(-1, 1, self.sizes.sequences, device=policy_BT.device)[:, None]
        surrogate_BT = clipped_surrogate(policy_BT, self.rollout.logprobs_BT, advantages_B1, CLIP, CLIP)
        pulled_BT = surrogate_BT + PULL * reference_kl(policy_BT, reference_BT)
        self.engine.backward(sequence_mean(pulled_BT, self.rollout.mask_BT).mean())
        self.engine.step(1)

    def trigger(self, piece: Judged, anchor: dict[str, Tensor]) -> None:
        """The longest: every candidate is accepted, and in the end none is kept."""
        line = Line(self.engine.parameters, None, anchor)
        search(line, MULTIPLIERS, lambda: teacher_kl(self.engine, [piece], self.sizes.chunk)[0], lambda *_: True)
        line.stay()

    def draw(self) -> None:
        sizes, device = self.sizes, self.engine.device
        prompts = [f"{n % 10}+{n % 7}*{n % 9}" for n in range(sizes.drawn)]
        numbers_BT = uniforms(0, range(sizes.drawn), sizes.new_tokens)
        with at_precision(PRECISION, device):
            sample(self.engine.module, TOKENIZER, prompts, sizes.new_tokens, numbers_BT)


TOKENIZER = character_tokenizer(ALPHABET)


def seconds(work: Callable[[], object], device: torch.device, repetitions: int) -> list[float]:
    """Of some repetitions behind a first one, each until the device is done."""
    found = []
    for _ in range(repetitions + 1):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - began)
    return found[1:]


def memory(work: Callable[[], object], device: torch.device) -> dict[str, float | bool | None]:
    """peak_gib: the most memory of the device in use; None on a CPU, and where `work` does not fit."""
    if device.type != "cuda":
        work()
        return {"fits": True, "peak_gib": None}
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    try:
        work()
    except torch.cuda.OutOfMemoryError:
        return {"fits": False, "peak_gib": None}
    return {"fits": True, "peak_gib": torch.cuda.max_memory_allocated() / 2**30}


def product_rate(side: int, device: torch.device, repetitions: int) -> float:
    """Operations a second of square products in bfloat16: what the chip does, and not what is printed on it."""
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / median(seconds(lambda: left @ right, device, max(5, repetitions)))


def spectra(sizes: Sizes, device: torch.device) -> dict[str, float]:
    """Singular values of one layer's matrices, on the device and on the CPU."""
    draws = torch.Generator().manual_seed(0)
    matrices = [torch.randn(shape, generator=draws) for shape in sizes.matrices]

    def decomposed(where: torch.device) -> list[Tensor]:
        there = [matrix.to(where) for matrix in matrices]
        return [update_spectrum(torch.zeros_like(matrix), matrix).cpu() for matrix in there]

    pairs = zip(decomposed(device), decomposed(torch.device("cpu")), strict=True)
    return {
        "device_seconds": median(seconds(lambda: decomposed(device), device, 1)),
        "cpu_seconds": median(seconds(lambda: decomposed(torch.device("cpu")), device, 1)),
        "largest_difference": max(float(((one - two).abs() / two[0]).max()) for one, two in pairs),
    }


def measure_search(bench: Bench, flops: float, row: Callable[[str, Callable[[], object], int, float], None]) -> None:
    """Of one candidate and of a whole trigger; copies of the weights live as long as this."""
    piece, anchor, chunk = bench.judged(bench.sizes.chunk), copies(bench.engine.parameters), bench.sizes.chunk
    bench.opd_step(chunk)  # so that there is a direction
    row("teacher_kl of a candidate", lambda: teacher_kl(bench.engine, [piece], chunk), bench.tokens, flops)
    row("EffOPD trigger", lambda: bench.trigger(piece, anchor), bench.tokens, (1 + len(MULTIPLIERS)) * flops)


def measure(sizes: Sizes, device: torch.device) -> dict[str, Any]:
    student, reference = build(sizes.student, device, 0), build(sizes.student, device, 0).to(torch.bfloat16)
    teacher = build(sizes.teacher, device, 1).to(torch.bfloat16)
    engine = TorchEngine(student, OPTIMIZER, RATE, PRECISION)
    bench = Bench(sizes, engine, teacher, reference, completions(sizes, student))
    rate = product_rate(sizes.product, device, sizes.repetitions)
    context = (sizes.prompt + sizes.completion) // 2
    own, theirs = (shape.forward_flops(context) for shape in (sizes.student, sizes.teacher))
    rows: dict[str, dict[str, float]] = {}

    def row(name: str, work: Callable[[], object], tokens: int, flops_a_token: float) -> None:
        took = median(seconds(work, device, sizes.repetitions))
        done = tokens * flops_a_token / took
        rows[name] = {"seconds": took, "tokens_a_second": tokens / took, "share_of_products": done / rate}
        speed = f"{tokens / took:,.0f} tokens/s, {done / rate:.1%} of the products' rate"
        print(f"{name}: {took:.3g} s, {speed}", flush=True)

    row("OPD step", lambda: bench.opd_step(sizes.chunk), bench.tokens, 3 * own + theirs)
    row("GRPO step", lambda: bench.grpo_step(sizes.chunk), bench.tokens, 4 * own)
    measure_search(bench, own, row)
    row("sampling", bench.draw, sizes.drawn * sizes.new_tokens, sizes.student.forward_flops(sizes.new_tokens // 2))
    bench.engine.forget_gradients()
    chunked = memory(lambda: bench.opd_step(sizes.chunk), device)
    whole = memory(lambda: bench.opd_step(0), device)
    return {
        "products_flops_a_second": rate,
        "tokens": bench.tokens,
        "steps": rows,
        "memory": {"in chunks": chunked, "all at once": whole},
        "spectra": spectra(sizes, device),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toy", action="store_true", help="sizes that show that it works")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu with --toy")
    parser.add_argument("--out", type=Path, default=REPORT)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no GPU here; `--toy --device cpu` shows that all of it works")
    device, sizes = torch.device(options.device), TOY if options.toy else FULL
    card = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    began = time.perf_counter()
    found = {"card": card, "torch": torch.__version__, "sizes": asdict(sizes)} | measure(sizes, device)
    write_json(options.out, found | {"seconds": time.perf_counter() - began})
    for name, used in found["memory"].items():
        fitted = "not measured on a CPU" if device.type == "cpu" else "does not fit"
        print(f"peak memory, logits {name}: " + (f"{gib:.1f} GiB" if (gib := used["peak_gib"]) else fitted))
    print("spectra: {device_seconds:.3g} s, on the CPU {cpu_seconds:.3g} s".format(**found["spectra"]))
    print(f"{card}: {options.out}")


if __name__ == "__main__":
    main()
