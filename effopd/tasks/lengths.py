"""Prompts that a model has no room for: its context must hold the prompt and the longest completion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from effopd.files import DataError
from effopd.tasks.problems import Problem

SHOWN = 5  # rows named in an error
_BATCH = 1024


def context_of(config: Any) -> int | None:
    """The longest sequence, in tokens, that a model's configuration allows; None where it names no limit."""
    text = config.get_text_config()
    return next(
        (int(n) for name in ("max_position_embeddings", "n_positions") if (n := getattr(text, name, None))), None
    )


def too_long(prompts: Sequence[str], tokenizer: Any, room: int) -> dict[int, int]:
    """The prompts of more than `room` tokens: by their place, how many they have."""
    found = {}
    for start in range(0, len(prompts), _BATCH):
        tokens = tokenizer(list(prompts[start : start + _BATCH]))["input_ids"]
        found.update({start + place: len(row) for place, row in enumerate(tokens) if len(row) > room})
    return found


def check_lengths(problems: Sequence[Problem], tokenizer: Any, config: Any, max_new_tokens: int, file: str) -> None:
    """To be called before sampling. Raises `DataError` naming the rows of `file` whose prompts are too long."""
    context = context_of(config)
    if context is None:
        return
    if lengths := too_long([problem.prompt for problem in problems], tokenizer, context - max_new_tokens):
        rows = ", ".join(f"row {row} with {tokens}" for row, tokens in list(lengths.items())[:SHOWN])
        more = f", and {len(lengths) - SHOWN} more" if len(lengths) > SHOWN else ""
        raise DataError(
            f"{file}: the model's context of {context} tokens has no room for {len(lengths)} of {len(problems)} "
            f"prompts and {max_new_tokens} new tokens: {rows}{more}; leave them out of the dataset, lower "
            "max_new_tokens, or choose a model with a longer context"
        )
