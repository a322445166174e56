"""Existing models as students: from a folder or the hub, with tokenizer and weights brought to agree.

Published models come with more embeddings than their tokenizer has tokens, with several end tokens in several files,
and without a padding token. All of this is settled once, here, so that what the base is made of has none of it.
"""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from effopd.files import DataError
from effopd.models.hub import download
from effopd.models.store import load_model, load_tokenizer
from effopd.models.tokenizer import end_tokens


def fetch(name: str, revision: str, key: str = "model") -> Path:
    """The folder of a model on the hub at that commit, downloaded unless it is in the hub's cache.

    key: of params.yaml, for messages. Raises `DataError` when no revision is pinned or the model cannot be had.
    """
    if not revision:
        raise DataError(
            f"{key}.source is {name}, which is on the hub: pin the commit that you trust with {key}.revision "
            f"(`effopd pin --model {name}` names the newest)"
        )
    try:
        return download(name, revision)
    except DataError as error:
        raise DataError(f"{key}.source: {error}") from None


def adopt(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A published model in float32 and its tokenizer, brought to agree; see `agree`."""
    model, tokenizer = load_model(folder), load_tokenizer(folder)
    try:
        agree(model, tokenizer)
    except DataError as error:
        raise DataError(f"{folder}: {error}") from None
    return model, tokenizer


def agree(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Bring a model and its tokenizer to one vocabulary, one set of end tokens and a padding token, in place.

    Embeddings beyond the tokenizer's last token are cut off: they stand for nothing, and differ in number between
    models that share a tokenizer. All end tokens that any file names are put into the model's configuration, where
    `end_tokens` finds them. Padding is always masked, so an end token may serve as padding where there is none.
    Raises `DataError` for a tokenizer that does not fit.
    """
    size, rows = max(tokenizer.get_vocab().values()) + 1, model.get_input_embeddings().weight.shape[0]
    if size > rows:
        raise DataError(f"the tokenizer has {size} tokens, the model embeddings of {rows}")
    if size < rows:
        model.resize_token_embeddings(size)

    named = {*end_tokens(model.config, tokenizer), *end_tokens(model.generation_config, tokenizer)}
    ends = sorted(end for end in named if end < size)
    if not ends:
        raise DataError("no end token: neither the tokenizer nor the model's configuration names one")
    if tokenizer.eos_token_id is None:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(ends[0])
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer("a")["input_ids"][-1] in ends:
        raise DataError("the tokenizer puts an end token behind every text, so no prompt could be continued")
    model.config.eos_token_id = ends if len(ends) > 1 else ends[0]
    model.config.pad_token_id = tokenizer.pad_token_id
