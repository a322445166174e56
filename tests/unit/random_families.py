"""Small random models of published families."""

from __future__ import annotations

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from effopd.models.store import persistent_buffers

SIZES = {
    "vocab_size": 32,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
OWN = {
    "gemma": {"head_dim": 8},
    "qwen3": {"head_dim": 8},
    "glm": {"head_dim": 8},
    "glm4": {"head_dim": 8},
    "mixtral": {"num_local_experts": 4},
    "qwen3_moe": {"num_experts": 4, "moe_intermediate_size": 12, "num_experts_per_tok": 2, "head_dim": 8},
    "gemma4_text": {
        "head_dim": 8, "global_head_dim": 8, "layer_types": ["sliding_attention", "full_attention"],
        "vocab_size_per_layer_input": 32, "hidden_size_per_layer_input": 8,
    },
    "glm4_moe": {
        "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "moe_intermediate_size": 12,
        "head_dim": 8,
    },
    "deepseek_v3": {
        "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 2, "topk_group": 1, "moe_intermediate_size": 12,
        "first_k_dense_replace": 1, "q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8,
        "v_head_dim": 8, "head_dim": 8, "num_key_value_heads": 4,
    },
}  # fmt: skip


def family_model(family: str, **values: object) -> PreTrainedModel:
    """A model of two layers whose every weight and buffer is random."""
    config = AutoConfig.for_model(family, **{**SIZES, **OWN.get(family, {}), **values})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = AutoModelForCausalLM.from_config(config).eval()
        for tensor in [*model.parameters(), *persistent_buffers(model).values()]:
            tensor.data.copy_(0.5 * torch.randn(tensor.shape) + (tensor.ndim < 2))
    return model
