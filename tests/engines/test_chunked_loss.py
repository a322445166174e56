"""Losses in chunks of tokens: the same values and gradients, and memory for one chunk's logits."""

from __future__ import annotations

import subprocess
import sys

import pytest
import tiny
import torch
from small_project import ROOT
from torch import Tensor

from effopd.losses.chunked import over_chunks
from effopd.losses.jsd import jsd
from effopd.losses.tokens import token_logprobs


def peak_gigabytes(sequences: int, chunk: int) -> float:
    """How far the resident memory of a fresh process rises over the loss's forward and backward pass."""
    benchmark = [sys.executable, str(ROOT / "benchmarks/loss_memory.py"), "--only", str(sequences), str(chunk)]
    done = subprocess.run(benchmark, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return float(done.stdout)


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_chunks_of_any_size_give_the_values_and_gradients_of_one_call(size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    head, teacher_head = (torch.randn(11, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    states = torch.randn(7, 6, generator=generator, dtype=torch.float64)
    tokens = torch.randint(0, 11, (7,), generator=generator)

    def run(chunk: int | None) -> tuple[Tensor, ...]:
        weights, inputs = head.clone().requires_grad_(), states.clone().requires_grad_()

        def score(rows: Tensor, chosen: Tensor) -> tuple[Tensor, ...]:
            logits = rows @ weights.T
            return jsd(tiny.between(logits, rows @ teacher_head.T), beta=0.3), token_logprobs(logits, chosen)

        loss, logprobs = over_chunks(score, chunk, inputs, tokens) if chunk else score(inputs, tokens)
        (loss.sum() + (loss * logprobs).sum()).backward()
        assert weights.grad is not None and inputs.grad is not None
        return loss.detach(), weights.grad, inputs.grad

    for found, expected in zip(run(size), run(None), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_peak_memory_of_a_full_vocabulary_loss_falls_at_least_fivefold() -> None:
    """8 × 1,024 tokens × 151,936 entries in chunks, against one sequence at once, times eight."""
    chunked, whole = peak_gigabytes(8, 256), 8 * peak_gigabytes(1, 0)
    assert whole > 5 * chunked, f"whole {whole:.2f} GiB, in chunks {chunked:.2f} GiB"
