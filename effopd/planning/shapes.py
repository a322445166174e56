"""The sizes of a decoder, and what follows from them: parameters, floating-point operations, bytes for each token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from effopd.files import DataError, read_json
from effopd.params.model import ModelParams


@dataclass(frozen=True)
class Shape:
    """A decoder of the Qwen2, Qwen3 or Llama family.

    vocabulary: embeddings. head_size: width of one attention head. tied: the output head is the embedding.
    qkv_bias: biases of the query, key and value projections (Qwen2). qk_norm: norms of queries and keys (Qwen3).
    """

    vocabulary: int
    hidden_size: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    mlp_size: int
    tied: bool
    qkv_bias: bool
    qk_norm: bool

    @property
    def embeddings(self) -> int:
        return self.vocabulary * self.hidden_size

    @property
    def projections(self) -> int:
        """Weights of the attention and MLP matrices of all layers."""
        attention = 2 * self.hidden_size * self.head_size * (self.heads + self.kv_heads)
        return self.layers * (attention + 3 * self.hidden_size * self.mlp_size)

    @property
    def parameters(self) -> int:
        vectors = 2 * self.hidden_size
        vectors += self.head_size * (self.heads + 2 * self.kv_heads) if self.qkv_bias else 0
        vectors += 2 * self.head_size if self.qk_norm else 0
        heads = 1 if self.tied else 2
        return heads * self.embeddings + self.projections + self.layers * vectors + self.hidden_size

    @property
    def below_head(self) -> int:
        """Parameters without the output head's own."""
        return self.parameters - (0 if self.tied else self.embeddings)

    @property
    def critic(self) -> int:
        """Parameters of a critic: the same decoder with a head of one value."""
        return self.below_head + self.hidden_size

    def factors(self, rank: int) -> int:
        """Weights of LoRA's factors beside every matrix of attention and MLP: rank · (inputs + outputs) of each."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        attention = 2 * (self.hidden_size + queries) + 2 * (self.hidden_size + keys)
        return rank * self.layers * (attention + 3 * (self.hidden_size + self.mlp_size))

    @property
    def cached_values(self) -> int:
        """Numbers that the key-value cache holds for a token."""
        return 2 * self.layers * self.kv_heads * self.head_size

    def activation_bytes(self, number: int, checkpointing: bool) -> int:
        """What a forward pass keeps of a token for the backward pass, in numbers of `number` bytes.

        In each layer two norms keep their input in float32, what they made of it and their output; attention keeps
        queries, keys, values and results, and norms of queries and keys what such norms keep; the MLP keeps four of its
        inner vectors. With checkpointing a layer keeps its input, and one layer at a time the rest.
        """
        norms = self.hidden_size * (2 * 4 + 4 * number)
        attention = self.head_size * (2 * self.heads + 2 * self.kv_heads) * number
        if self.qk_norm:
            attention += self.head_size * (self.heads + self.kv_heads) * (4 + number)
        layer = norms + attention + 4 * self.mlp_size * number
        last_norm = self.hidden_size * (4 + number)
        if checkpointing:
            return self.layers * self.hidden_size * number + layer + last_norm
        return self.layers * layer + last_norm

    def forward_flops(self, context: float) -> float:
        """Floating-point operations of a forward pass over one token that attends to `context` others."""
        attention = 4 * self.layers * self.heads * self.head_size * context
        return 2 * (self.projections + self.embeddings) + attention


def built_shape(params: ModelParams, vocabulary: int) -> Shape:
    """The model that the stage `base` builds from the sizes in params.yaml."""
    return Shape(
        vocabulary=vocabulary,
        hidden_size=params.hidden_size,
        layers=params.layers,
        heads=params.heads,
        kv_heads=params.kv_heads,
        head_size=params.hidden_size // params.heads,
        mlp_size=params.mlp_size,
        tied=False,
        qkv_bias=False,
        qk_norm=True,
    )


def read_shape(folder: Path) -> Shape:
    """The sizes in a model folder's config.json. Raises `DataError` for another family."""
    config = read_json(folder / "config.json")
    try:
        return _from_config(config)
    except (KeyError, TypeError, AttributeError):
        raise DataError(
            f"{folder / 'config.json'}: not the sizes of a Qwen2, Qwen3 or Llama model, which alone are planned for"
        ) from None


def _from_config(config: Mapping[str, Any]) -> Shape:
    family = config["model_type"]
    if family not in ("qwen2", "qwen3", "llama"):
        raise KeyError(family)
    heads = int(config["num_attention_heads"])
    return Shape(
        vocabulary=int(config["vocab_size"]),
        hidden_size=int(config["hidden_size"]),
        layers=int(config["num_hidden_layers"]),
        heads=heads,
        kv_heads=int(config["num_key_value_heads"]),
        head_size=int(config.get("head_dim") or config["hidden_size"] // heads),
        mlp_size=int(config["intermediate_size"]),
        tied=bool(config.get("tie_word_embeddings", False)),
        qkv_bias=family == "qwen2",
        qk_norm=family == "qwen3",
    )
