"""Models on disk in Hugging Face format: safetensors only, float32, no pickle and no remote code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.core_model_loading import revert_weight_conversion

from effopd.files import DataError, atomic_path
from effopd.models.checkpoint import Checkpoint, Stored
from effopd.models.folder import CONFIG, WEIGHTS, check_folder
from effopd.models.version4 import with_old_keys
from effopd.models.weights import save_weights

_NAMED = 3
"""Weights that a message names before it counts the others."""


def load_model(path: Path, precision: str = "float32") -> PreTrainedModel:
    """A model from a folder, with every weight that the folder holds and no other.

    precision: "float32" or "bfloat16", of the parameters: rotary frequencies stay float32, or angles would be wrong.
    An output head that differs from the embedding is kept, whatever the configuration says about tying the two.
    Raises `DataError` naming the file or the folder when it is missing, damaged or quantised, when weights are missing,
    left over, not finite or no floating-point numbers, and when there is an adapter beside them.
    """
    check_folder(path)
    stored = Checkpoint(path).stored
    _check_floating(stored, [name for name in stored if name.endswith(".weight")])
    with _naming(path, "model"):
        model, report = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=getattr(torch, precision),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    if missing := report["missing_keys"]:  # Hugging Face would train on with random numbers in their place
        raise DataError(f"{path}: {_listed(missing)} missing, though {CONFIG} asks for them")
    if unused := report["unexpected_keys"]:  # and drop these without a word
        raise DataError(f"{path}: {_listed(unused)} in the files and not in the model that {CONFIG} describes")
    parameters = dict(model.named_parameters())
    _check_floating(stored, parameters)
    if strange := [name for name, weight in parameters.items() if not bool(torch.isfinite(weight).all())]:
        raise DataError(f"{path}: {_listed(strange)} not finite (NaN or infinite)")
    _untie_what_differs(model)
    return model.eval()


def load_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a model folder. Raises `DataError` naming the folder when it is missing or damaged."""
    with _naming(path, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False, local_files_only=True)
        tokenizer("a")  # a value of the wrong type, or a token that is missing, shows when a text is read
        return tokenizer


def save_model(path: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write a folder that `AutoModelForCausalLM` loads, whole or not at all; equal weights give equal bytes."""
    save_checkpoint(path, model, tokenizer, dict(model.named_parameters()))


def save_checkpoint(
    path: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, weights: Mapping[str, Tensor]
) -> None:
    """As `save_model`, with parameters kept elsewhere than in `model`, whose configuration and buffers are read.

    Files hold the names and shapes that models of this architecture are published with, which is also what vLLM reads:
    transformers keeps the experts of a layer in one tensor while it runs.
    """
    with atomic_path(path) as folder:
        folder.mkdir()
        model.config.save_pretrained(folder)
        config = with_old_keys(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        tokenizer.save_pretrained(folder)
        save_weights(folder / WEIGHTS, revert_weight_conversion(model, {**weights, **persistent_buffers(model)}))


def published(model: PreTrainedModel, parameters: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """Parameters of `model`, and its buffers, as the files of a checkpoint name and shape them, one after another."""
    for name, tensor in chain(parameters, persistent_buffers(model).items()):
        yield from revert_weight_conversion(model, {name: tensor.detach()}).items()


@torch.no_grad()
def put_weights(model: PreTrainedModel, weights: Mapping[str, Tensor]) -> None:
    """Overwrite the parameters of `model` with those of a checkpoint; a tied head follows its embedding."""
    parameters = dict(model.named_parameters())
    if not parameters.keys() <= weights.keys():  # published under other names than those it runs with
        loaded = type(model).from_pretrained(None, config=model.config, state_dict=dict(weights), dtype=model.dtype)
        weights = dict(loaded.named_parameters())
    for name, parameter in parameters.items():
        parameter.copy_(weights[name])


def persistent_buffers(model: PreTrainedModel) -> dict[str, Tensor]:
    """What a checkpoint holds beside the parameters, such as the bias of an expert router."""
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return {name: tensor for name, tensor in model.state_dict().items() if name not in parameters}


def _check_floating(stored: Mapping[str, Stored], names: Iterable[str]) -> None:
    """Integers are for buffers: Hugging Face would take a weight's for numbers that it never was."""
    for name in names:
        if name in stored and not stored[name].is_floating:
            dtype = stored[name].dtype
            raise DataError(f"{stored[name].file}: {name} is {dtype}, and weights are floating-point numbers")


def _untie_what_differs(model: PreTrainedModel) -> None:
    """Make the configuration say what the weights are, or the next resizing or loading ties the head again."""
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if head is None or head.weight is embedding.weight:
        return
    for config in (model.config, model.config.get_text_config()):
        config.tie_word_embeddings = False


def _listed(names: Iterable[str]) -> str:
    """The first names and how many there are, with the verb: "2 weights (a, b) are"."""
    names = sorted(names)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    first = ", ".join(names[:_NAMED])
    return f"1 weight ({first}) is" if len(names) == 1 else f"{len(names)} weights ({first}{more}) are"


@contextmanager
def _naming(path: Path, what: str) -> Iterator[None]:
    """Turn whatever Hugging Face raises on damaged or ill-typed files into a `DataError` in one line."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - its libraries raise their own classes, bare Exception among them
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(f"{path}: the {what} cannot be loaded ({said})") from None
