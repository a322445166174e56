"""256 prompts completed greedily, so that both sides sample the same tokens: ours and transformers' `generate`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.bench.party import Options, Turns
from benchmarks.bench.training import product_rate, settings, student
from effopd.files import sha256
from effopd.models.store import load_tokenizer
from effopd.models.tokenizer import encode_prompts, end_tokens
from effopd.rollout.sampler import sample
from effopd.tasks.problems import read_problems
from effopd.train.costs import computing_parameters


def ours(options: Options, turns: Turns) -> None:
    params, model = settings(options), student(options)
    tokenizer, prompts = load_tokenizer(options.root / "models/base"), prompts_of(options)

    def draw() -> Tensor:
        rollout = sample(model, tokenizer, prompts, params.rollout.max_new_tokens, None)
        return rollout.tokens_BT

    read = int(encode_prompts(tokenizer, prompts)[1].sum())
    try:
        repeat(turns, draw, end_tokens(model.config, tokenizer))
    finally:
        flops = 2 * computing_parameters(model) * (turns.about["tokens_a_turn"] + read)
        turns.about["floor"] = flops / product_rate(params.model.hidden_size, params.model.mlp_size)


def theirs(options: Options, turns: Turns) -> None:
    params, model = settings(options), student(options)
    tokenizer, prompts = load_tokenizer(options.root / "models/base"), prompts_of(options)
    ends = end_tokens(model.config, tokenizer)

    @torch.no_grad()
    def draw() -> Tensor:
        prompts_BP, mask_BP = encode_prompts(tokenizer, prompts)
        found_BL = model.generate(
            input_ids=prompts_BP,
            attention_mask=mask_BP,
            max_new_tokens=params.rollout.max_new_tokens,
            do_sample=False,
            eos_token_id=ends,
            pad_token_id=tokenizer.pad_token_id,
        )
        return found_BL[:, prompts_BP.shape[1] :]

    repeat(turns, draw, ends)


def prompts_of(options: Options) -> list[str]:
    problems = read_problems(options.root / "data/train.parquet")
    return [problem.prompt for problem in problems[: 4 if options.quick else 256]]


def repeat(turns: Turns, draw: Callable[[], Tensor], ends: list[int]) -> None:
    """The tokens up to each row's end are what both sides must find."""
    while True:
        turns.next()
        drawn_BT = draw()
        if "result" not in turns.about:
            rows = [until(row, ends) for row in drawn_BT.tolist()]
            turns.about |= {"result": sha256(*map(str, rows)), "tokens_a_turn": sum(map(len, rows))}


def until(row: list[int], ends: list[int]) -> list[int]:
    stop = next((place for place, token in enumerate(row) if token in ends), len(row))
    return row[: stop + 1]
