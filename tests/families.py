"""Tiny models as their publishers lay them out: a tokenizer with merges, a chat template, padded vocabularies."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

FAMILIES = ("qwen3", "qwen2", "llama")
PADDING = 27  # embeddings beyond the tokenizer's last token

CHATML = """\
{%- for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""
THINKING = (
    CHATML
    + """\
{%- if add_generation_prompt and enable_thinking is defined and not enable_thinking %}
{{- '<think>\n\n</think>\n\n' }}{% endif %}"""
)
LLAMA = """\
{{- bos_token }}
{%- for message in messages %}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content + '<|eot_id|>' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"""


def write_family(folder: Path, family: str, texts: Iterable[str], padding: int = PADDING, seed: int = 0) -> None:
    """A model folder of two layers whose tokenizer has learned its merges from `texts`."""
    tokenizer = _tokenizer(family, texts)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _model(family, tokenizer, len(tokenizer) + padding)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tokenizer(family: str, texts: Iterable[str]) -> PreTrainedTokenizerFast:
    qwen = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    llama = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    backend.train_from_iterator(texts, trainer)
    backend.add_special_tokens(llama if family == "llama" else qwen)  # behind the merges, as published ones are
    match family:
        case "llama":
            begin = backend.token_to_id("<|begin_of_text|>")
            backend.post_processor = processors.TemplateProcessing(
                single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", begin)]
            )
            named = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}  # and no padding token
            template = LLAMA
        case "qwen2":
            named = {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
            template = CHATML
        case _:
            named = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
            template = THINKING
    return PreTrainedTokenizerFast(tokenizer_object=backend, chat_template=template, **named)


def _model(family: str, tokenizer: PreTrainedTokenizerFast, rows: int) -> PreTrainedModel:
    sizes = {
        "vocab_size": rows,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": 512,
        "initializer_range": 0.1,
    }
    end = tokenizer.convert_tokens_to_ids
    match family:
        case "llama":
            ends = [end("<|end_of_text|>"), end("<|eot_id|>")]
            model = LlamaForCausalLM(LlamaConfig(**sizes, eos_token_id=ends, bos_token_id=end("<|begin_of_text|>")))
        case "qwen2":
            model = Qwen2ForCausalLM(Qwen2Config(**sizes, eos_token_id=end("<|endoftext|>"))).bfloat16()
        case _:
            config = Qwen3Config(**sizes, head_dim=16, tie_word_embeddings=True, eos_token_id=end("<|im_end|>"))
            model = Qwen3ForCausalLM(config)
            ends = [end("<|im_end|>"), end("<|endoftext|>")]
            model.generation_config = GenerationConfig(eos_token_id=ends, temperature=0.6, do_sample=True)
    return model
