"""What is known of the student before there is one: its tokenizer and context, where it is an existing model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from effopd.datasets.catalogue import Dataset
from effopd.datasets.prompts import Renderer
from effopd.datasets.rows import Rejected
from effopd.params.model import ModelParams
from effopd.tasks.lengths import context_of, too_long


def without_too_long(
    dataset: Dataset, renderer: Renderer, model: ModelParams, models: Path, max_new_tokens: int
) -> Dataset:
    """A dataset without the rows whose prompts leave no room in the student's context for a completion of
    `max_new_tokens`; they count as rejected.

    models: the folder of existing models. All rows stay where the student is only built later, or cannot be had: its
    stage then refuses them.
    """
    known = _known(model, models) if model.source else None
    if known is None:
        return dataset
    tokenizer, context = known
    prompts = [renderer.render(example, dataset.prompt) for example in dataset.examples]
    lengths = too_long(prompts, tokenizer, context - max_new_tokens)
    reasons = [
        Rejected(
            dataset.examples[place].row,
            f"its prompt of {tokens} tokens and {max_new_tokens} new ones exceed the student's context of {context}",
        )
        for place, tokens in lengths.items()
    ]
    kept = [example for place, example in enumerate(dataset.examples) if place not in lengths]
    return replace(dataset, examples=kept, rejected=sorted([*dataset.rejected, *reasons], key=lambda found: found.row))


def _known(model: ModelParams, models: Path) -> tuple[Any, int] | None:
    from transformers import AutoConfig, AutoTokenizer

    if model.on_hub and not model.revision:
        return None  # which its stage refuses
    where = model.source if model.on_hub else str(models / model.source)
    options: dict[str, Any] = {
        "revision": model.revision or None, "local_files_only": not model.on_hub, "trust_remote_code": False,
    }  # fmt: skip
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, **options)
        context = context_of(AutoConfig.from_pretrained(where, **options))
    except Exception:  # noqa: BLE001 - what is wrong with it is for the stage to say that loads the model
        return None
    return (tokenizer, context) if context else None
