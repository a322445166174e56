"""Models on disk in Hugging Face format: safetensors only, float32, no pickle and no remote code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from effopd.files import DataError, atomic_path
from effopd.models.weights import WEIGHTS, save_weights

DAMAGE = (
    OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError, StrictDataclassError,
)  # fmt: skip
"""What Hugging Face raises on damaged or ill-typed files."""


def load_model(path: Path, precision: str = "float32") -> PreTrainedModel:
    """A model from a folder. Raises `DataError` naming the folder when it is missing or damaged.

    precision: "float32" or "bfloat16", of the parameters: rotary frequencies stay float32, or angles would be wrong.
    """
    if not (path / "config.json").is_file():
        raise DataError(f"{path}: not a model folder (no config.json)")
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=getattr(torch, precision),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except DAMAGE as error:
        raise DataError(f"{path}: the model cannot be loaded ({' '.join(str(error).split())[:300]})") from None
    if missing := sorted(report["missing_keys"]):  # Hugging Face would train on with random numbers in their place
        raise DataError(f"{path}: {len(missing)} weights are missing, {missing[0]} first")
    return model.eval()


def load_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False, local_files_only=True)
    except DAMAGE as error:
        raise DataError(f"{path}: the tokenizer cannot be loaded ({' '.join(str(error).split())[:300]})") from None


def save_model(path: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write a folder that `AutoModelForCausalLM` loads, whole or not at all; equal weights give equal bytes."""
    save_checkpoint(path, model, tokenizer, dict(model.named_parameters()))


def save_checkpoint(
    path: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, weights: Mapping[str, Tensor]
) -> None:
    """As `save_model`, with weights kept elsewhere than in `model`, whose configuration alone is read."""
    with atomic_path(path) as folder:
        folder.mkdir()
        model.config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        save_weights(folder / WEIGHTS, weights)
