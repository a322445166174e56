"""Small models with random weights of the architectures that people publish, with the built-in world's tokens."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from effopd.models.tokenizer import character_tokenizer
from effopd.tasks.arithmetic import ALPHABET

CONTEXT = 64
SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,  # vLLM's least on a CPU
    "intermediate_size": 96,
    "max_position_embeddings": CONTEXT,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": None,
}
TIED: dict[str, Any] = {"tie_word_embeddings": True}
GEMMA: dict[str, Any] = TIED | {"query_pre_attn_scalar": 32, "sliding_window": 8}
EXPERTS: dict[str, Any] = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
LINEAR: dict[str, Any] = {
    "layer_types": ["linear_attention", "full_attention"],
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 32,
    "linear_value_head_dim": 32,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen3": ("qwen3", {}),
    "qwen3 tied": ("qwen3", TIED),
    "qwen2": ("qwen2", {}),
    "qwen2 tied": ("qwen2", TIED),
    "llama": ("llama", {}),
    "llama tied": ("llama", TIED),
    "mistral": ("mistral", {}),
    "gemma2": ("gemma2", GEMMA | {"final_logit_softcapping": 3.0}),
    "gemma3": ("gemma3_text", GEMMA),
    "granite": ("granite", {"logits_scaling": 8.0, "embedding_multiplier": 2.0, "residual_multiplier": 0.3}),
    "cohere": ("cohere", TIED | {"logit_scale": 0.25}),
    "olmo2": ("olmo2", {}),
    "phi3": ("phi3", {}),
    "gpt2": ("gpt2", {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": CONTEXT}),
    "qwen3_moe": ("qwen3_moe", EXPERTS),
    "deepseek_v3": (
        "deepseek_v3",
        {
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "n_group": 1,
            "topk_group": 1,
            "first_k_dense_replace": 1,
            "num_key_value_heads": 2,
            "q_lora_rank": 32,
            "kv_lora_rank": 32,
            "qk_rope_head_dim": 32,
            "qk_nope_head_dim": 32,
            "v_head_dim": 32,
        },
    ),
    "lfm2": ("lfm2", {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False}),
    "qwen3_next": ("qwen3_next", EXPERTS | LINEAR | {"shared_expert_intermediate_size": 32}),
    "qwen3_5": ("qwen3_5_text", LINEAR),
    "falcon_h1": (
        "falcon_h1",
        {"mamba_d_ssm": 64, "mamba_n_heads": 2, "mamba_d_head": 32, "mamba_d_state": 16, "mamba_expand": 1},
    ),
}
"""By name: the model type, and what its configuration has beside `SIZES`."""
HYBRIDS = ("lfm2", "qwen3_next", "qwen3_5", "falcon_h1")


def build(family: str, seed: int = 0) -> PreTrainedModel:
    """A model whose next-token distributions are far from uniform, and whose norms and biases are not trivial."""
    kind, more = FAMILIES[family]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = AutoConfig.for_model(kind, **{"vocab_size": len(character_tokenizer(ALPHABET))} | SIZES | more)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(std=0.25)
                else:
                    parameter.add_(0.2 * torch.randn_like(parameter))
    config.architectures = [type(model).__name__]  # which vLLM asks for
    return model.eval()
