"""Whether the problems that a model is tested on fit in its context."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transformers import AutoConfig

from effopd.models.store import load_tokenizer
from effopd.tasks.lengths import check_lengths
from effopd.tasks.problems import Problem


def check_context(model: Path, problems: Sequence[Problem], max_new_tokens: int, file: str) -> None:
    """To be called before the model in a folder is loaded. Raises `DataError` naming rows of `file` too long for it."""
    config = AutoConfig.from_pretrained(model, local_files_only=True)
    check_lengths(problems, load_tokenizer(model), config, max_new_tokens, file)
