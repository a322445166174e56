"""Models on disk in Hugging Face format: safetensors only, float32, no pickle and no remote code."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from effopd.files import DataError

WEIGHTS = "model.safetensors"


def load_model(path: Path) -> PreTrainedModel:
    """A model in float32, from a folder. Raises `DataError` naming the folder when it is missing or damaged."""
    if not (path / "config.json").is_file():
        raise DataError(f"{path}: not a model folder (no config.json)")
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise DataError(f"{path}: the model cannot be loaded ({' '.join(str(error).split())[:300]})") from None
    return model.eval()


def load_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the tokenizer cannot be loaded ({' '.join(str(error).split())[:300]})") from None


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write `weights` as one safetensors file; equal tensors give equal bytes."""
    save_file({name: tensor.detach().contiguous() for name, tensor in weights.items()}, path, {"format": "pt"})


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises `DataError` naming the file when it is missing or damaged."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: damaged weights ({' '.join(str(error).split())})") from None


def copy_weights(model: PreTrainedModel, weights: dict[str, Tensor], source: Path) -> None:
    """Copy `weights` into the model's own parameters. Raises `DataError` naming the tensor that does not fit."""
    parameters = dict(model.named_parameters())
    if parameters.keys() != weights.keys():
        odd = sorted(parameters.keys() ^ weights.keys())[0]
        raise DataError(f"{source}: the weights do not fit the model (tensor {odd!r} is on one side only)")
    with torch.no_grad():
        for name, parameter in parameters.items():
            if parameter.shape != weights[name].shape:
                raise DataError(f"{source}: tensor {name!r} has shape {tuple(weights[name].shape)}, "
                                f"the model's is {tuple(parameter.shape)}")  # fmt: skip
            parameter.copy_(weights[name])
