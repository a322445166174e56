"""Memory and processor time of the commands on checkpoints, on a sharded pair made on the spot.

    OPENBLAS_NUM_THREADS=1 python benchmarks/checkpoints.py [--layers 24] [--hidden 1024] [--sample 4]

The base is bfloat16, the trained model float32, in shards of different sizes; 24 layers of width 1,024 and an embedding
of 250,000 rows are 2.2 GB in float32. Each command runs in a process of its own on one thread: its largest resident
memory is held against 3 of the largest tensors and 1 GiB, which is what is promised. Then, for `--sample` matrices of
each shape and in turns, all figures of one matrix against the same figures by full singular value decompositions (of
the base's, the trained and the update's matrix) in numpy and in torch, float64: processor seconds and the largest
difference, relative or, below 1e-3, absolute.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from effopd.checkpoints.pair import match, open_model
from effopd.models.folder import INDEX
from effopd.spectral.metrics import update_metrics
from effopd.spectral.modules import weight_matrices

TOP_K = 20
Svd = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


def shapes(layers: int, hidden: int, vocabulary: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "model.embed_tokens.weight", (vocabulary, hidden)
    for layer in range(layers):
        for part, shape in {
            "self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (hidden // 4, hidden),
            "self_attn.v_proj": (hidden // 4, hidden), "self_attn.o_proj": (hidden, hidden),
            "mlp.gate_proj": (3 * hidden, hidden), "mlp.up_proj": (3 * hidden, hidden),
            "mlp.down_proj": (hidden, 3 * hidden), "input_layernorm": (hidden,),
        }.items():  # fmt: skip
            yield f"model.layers.{layer}.{part}.weight", shape
    yield "model.norm.weight", (hidden,)


def base(number: int, shape: tuple[int, ...]) -> Tensor:
    """Noise, and in a matrix of a layer some strong directions, as trained weights have."""
    generator = torch.Generator().manual_seed(number)
    weight = 0.02 * torch.randn(shape, generator=generator)
    if len(shape) == 2 and shape[0] < 100_000:
        left, right = (torch.randn(size, 32, generator=generator) for size in shape)
        weight += 0.01 * (left * torch.linspace(1, 0.1, 32)) @ right.T
    return weight.bfloat16()


def trained(number: int, shape: tuple[int, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(10_000 + number)
    return base(number, shape).float() + 2e-5 * torch.randn(shape, generator=generator)


def write(
    folder: Path, named: list[tuple[str, tuple[int, ...]]], make: Callable[[int, tuple[int, ...]], Tensor], shards: int
) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2", "tie_word_embeddings": True}))
    places = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        here = {number: named[number] for number in range(shard, len(named), shards)}
        save_file({name: make(number, shape) for number, (name, shape) in here.items()}, folder / file)
        places |= {name: file for name, _ in here.values()}
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))


def peak(*arguments: str | Path) -> tuple[float, float]:
    """The largest resident memory of a command, in GiB, and its processor seconds; on one thread."""
    program = "from effopd.cli import main; main()"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    report = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); u = resource.getrusage(resource.RUSAGE_CHILDREN); print(u.ru_maxrss / 2**20, u.ru_utime + u.ru_stime)"  # fmt: skip # noqa: E501
    command = [sys.executable, "-c", report, sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    memory, seconds = map(float, done.stdout.split())
    return memory, seconds


def by_decompositions(before: np.ndarray, after: np.ndarray, svd: Svd) -> dict[str, float]:
    update = after - before
    (u, s, vt), (u2, s2, vt2), (_, values, _) = svd(before), svd(after), svd(update)
    energy, p = (update**2).sum(), values / values.sum()

    def turned(one: np.ndarray, other: np.ndarray) -> float:
        sines = np.linalg.svd(other - one @ (one.T @ other), compute_uv=False)[::-1]
        return float(np.arctan2(sines, np.linalg.svd(one.T @ other, compute_uv=False)).mean())

    return {
        "update_norm": math.sqrt(energy),
        "spectral_norm": values[0],
        "effective_rank": math.exp(-(p * np.log(p)).sum()),
        "stable_rank": energy / values[0] ** 2,
        "principal_energy_left": ((u[:, :TOP_K].T @ update) ** 2).sum() / energy,
        "principal_energy_right": ((update @ vt[:TOP_K].T) ** 2).sum() / energy,
        "rotation_left": turned(u[:, :TOP_K], u2[:, :TOP_K]),
        "rotation_right": turned(vt[:TOP_K].T, vt2[:TOP_K].T),
        "spectral_drift": np.linalg.norm(s2 - s) / np.linalg.norm(s),
        "top1_coordinate_energy": np.sort((update**2).ravel())[-math.ceil(update.size / 100) :].sum() / energy,
    }


def by_torch(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    u, s, vt = torch.linalg.svd(torch.from_numpy(matrix), full_matrices=False)
    return u.numpy(), s.numpy(), vt.numpy()


def by_numpy(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    return u, s, vt


def seconds(work: Callable[[], object]) -> tuple[float, object]:
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--vocabulary", type=int, default=250_000)
    parser.add_argument("--sample", type=int, default=4, help="matrices of each shape that are timed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        named = list(shapes(options.layers, options.hidden, options.vocabulary))
        write(root / "base", named, base, shards=3)
        write(root / "trained", named, trained, shards=4)
        pair = match(open_model(root / "base"), open_model(root / "trained"))
        largest = max(math.prod(shape) for _, shape in named) * 4 / 2**30
        print(f"{pair.numbers * 4 / 1e9:.2f} GB in float32; promised: {3 * largest + 1:.2f} GiB")
        ends = (root / "base", root / "trained")
        for command in (
            ("spectrum", *ends), ("align", *ends), ("compare", *ends),
            ("extrapolate", *ends, "--multiplier", "4", "--out", root / "extrapolated"),
            ("rescale", ends[0], ends[1], root / "extrapolated", "--out", root / "rescaled"),
        ):  # fmt: skip
            memory, used = peak(*command)
            print(f"{command[0]:<12} {memory:.2f} GiB, {used:.0f} s")

        for shape in dict.fromkeys(shape for _, shape in named if len(shape) == 2 and shape[0] < options.vocabulary):
            ours = numpys = torchs = alone = difference = 0.0
            like = [m for m in weight_matrices(pair.shapes) if pair.shapes[m.parameter] == shape][: options.sample]
            for matrix in like:
                before, after = pair.tensors(matrix.parameter)
                took, found = seconds(lambda b=before, a=after, m=matrix: update_metrics(m, b, a, TOP_K))
                ours += took
                wide = before.double().numpy(), after.double().numpy()
                took, expected = seconds(lambda w=wide: by_decompositions(*w, by_numpy))
                numpys += took
                torchs += seconds(lambda w=wide: by_decompositions(*w, by_torch))[0]
                alone += seconds(lambda w=wide: by_numpy(w[1] - w[0]))[0]
                for name, value in expected.items():
                    gap = abs(getattr(found, name) - value)
                    difference = max(difference, gap / max(abs(value), 1e-3))
            print(
                f"{shape[0]} × {shape[1]}: {ours / len(like):.2f} s a matrix; full decompositions {numpys / ours:.1f} "
                f"times that in numpy, {torchs / ours:.1f} in torch, the update's alone {alone / ours:.1f} in numpy; "
                f"figures differ by {difference:.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
