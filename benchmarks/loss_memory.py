"""Peak memory of a full-vocabulary loss, with all its logits at once and in chunks of tokens.

    python benchmarks/loss_memory.py [--sequences 8] [--whole 3]

Reverse KL of 1,024 tokens a sequence over 151,936 entries, float32, forward and backward, from last hidden states of
width 64: the rest of a model is no part of it. Each figure is the rise of resident memory in a fresh process. The loss
with all logits is measured with one sequence and with `--whole`, since eight do not fit in the memory of many machines;
what it needs grows in a straight line with the tokens, and the line through both gives it at `--sequences`. Gradients
of both ways are compared at one sequence.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

import torch
from torch import Tensor

from effopd.losses.chunked import over_chunks
from effopd.losses.reverse_kl import reverse_kl
from effopd.losses.seen import Seen

TOKENS, HIDDEN, VOCABULARY = 1024, 64, 151_936


def gradients(sequences: int, chunk: int) -> tuple[list[Tensor], float]:
    """Gradients of the mean loss with respect to states and head, and by how many GiB resident memory rose."""
    torch.manual_seed(0)
    head_VH, teacher_VH = torch.randn(VOCABULARY, HIDDEN, requires_grad=True), torch.randn(VOCABULARY, HIDDEN)
    states_NH = torch.randn(sequences * TOKENS, HIDDEN, requires_grad=True)
    taught_NH = torch.randn(sequences * TOKENS, HIDDEN)

    def loss(student_NH: Tensor, teacher_NH: Tensor) -> tuple[Tensor, ...]:
        student_NV, teacher_NV = student_NH @ head_VH.T, teacher_NH @ teacher_VH.T
        nothing = student_NH[:, 0]  # of the sampled tokens, at which this loss does not look
        return (reverse_kl(Seen(student_NV, teacher_NV, nothing.long(), nothing, nothing, nothing)),)

    before = resident()
    (loss_N,) = over_chunks(loss, chunk, states_NH, taught_NH) if chunk else loss(states_NH, taught_NH)
    loss_N.mean().backward()
    rose = resident() - before
    found = [states_NH.grad, head_VH.grad]
    return [gradient for gradient in found if gradient is not None], rose


def resident() -> float:
    """The largest resident memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def peak(sequences: int, chunk: int) -> float:
    """The rise in a process of its own."""
    command = [sys.executable, __file__, "--only", str(sequences), str(chunk)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--whole", type=int, default=3, help="sequences that fit with all their logits")
    parser.add_argument("--chunks", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--only", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(gradients(*options.only)[1])
        return
    many = options.whole
    at_one, at_many = peak(1, 0), peak(many, 0)
    slope = (at_many - at_one) / (many - 1)
    whole = at_many + slope * (options.sequences - many)
    print(f"all logits: 1 sequence {at_one:.2f} GiB, {many} sequences {at_many:.2f} GiB")
    print(f"all logits: {options.sequences} sequences {whole:.1f} GiB by the line through these")
    for chunk in options.chunks:
        chunked = peak(options.sequences, chunk)
        print(
            f"chunks of {chunk} tokens: {options.sequences} sequences {chunked:.2f} GiB, {whole / chunked:.1f} times "
            f"less; {at_many / chunked:.1f} times less than what {many} sequences were measured to need"
        )
    pairs = zip(gradients(1, 0)[0], gradients(1, options.chunks[0])[0], strict=True)
    difference = max(float((one - two).abs().max() / one.abs().max()) for one, two in pairs)
    print(f"gradients of one sequence differ by {difference:.1e} of the largest")


if __name__ == "__main__":
    main()
