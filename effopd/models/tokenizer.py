"""Tokenizers in the ordinary Hugging Face format: made here, and what every user of one must agree on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast

PAD, END = "<pad>", "<eos>"


def character_tokenizer(alphabet: str) -> PreTrainedTokenizerFast:
    """One token a character; `<pad>` and `<eos>` come first, so that their ids do not depend on the alphabet."""
    vocabulary = {token: index for index, token in enumerate([PAD, END, *alphabet])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=PAD))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    backend.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token=PAD, eos_token=END, padding_side="left")


def byte_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level byte-pair encoding of at most `vocabulary` tokens, learned from `texts`; any text has tokens in it."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token=PAD, eos_token=END, padding_side="left")


def end_tokens(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The ids of all tokens that end a completion, ascending: the tokenizer's own and those of the model's config.

    A negative id, which some configurations have for "none", is no token.
    """
    more = config.eos_token_id
    more = [more] if isinstance(more, int) else more or []
    return sorted({end for end in (*more, tokenizer.eos_token_id) if end is not None and end >= 0})


def encode_prompts(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Left-padded prompts: token ids (B, T) and mask (B, T), int64."""
    batch = tokenizer(list(prompts), return_tensors="pt", padding=True, padding_side="left")
    return batch["input_ids"], batch["attention_mask"]


def encode_demonstrations(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[str, str]]
) -> tuple[list[list[int]], list[int]]:
    """Prompt, completion and end token of each pair as ids, and the length of each prompt."""
    if not pairs:
        return [], []
    prompts = tokenizer([prompt for prompt, _ in pairs])["input_ids"]
    completions = tokenizer([completion for _, completion in pairs], add_special_tokens=False)["input_ids"]
    rows = [p + c + [tokenizer.eos_token_id] for p, c in zip(prompts, completions, strict=True)]
    return rows, [len(prompt) for prompt in prompts]


def decode_completions(tokenizer: PreTrainedTokenizerBase, tokens_BT: Tensor, mask_BT: Tensor) -> list[str]:
    """The text of each row's unmasked tokens, without special tokens."""
    rows = [tokens[mask.bool()].tolist() for tokens, mask in zip(tokens_BT, mask_BT, strict=True)]
    return tokenizer.batch_decode(rows, skip_special_tokens=True)


def pad_right(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    """Rows of different lengths as one int64 tensor (B, T), filled with `value` on the right."""
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
