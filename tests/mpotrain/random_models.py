"""Random models of a few thousand parameters, one per architecture whose particulars matter here."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

VOCABULARY = 61
TINY = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.4, "pad_token_id": 0,
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {  # what is particular about each
    "llama": {"attention_dropout": 0.0},
    "qwen2": {"tie_word_embeddings": True},
    "gemma2": {"head_dim": 8, "sliding_window": 6, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0,
               "query_pre_attn_scalar": 8},
    "gemma3_text": {"head_dim": 8, "sliding_window": 6, "query_pre_attn_scalar": 8},
    "mistral": {"sliding_window": 5},
    "granite": {"logits_scaling": 4.0, "attention_multiplier": 0.3},
    "cohere": {"logit_scale": 0.25},
    "phi": {"num_key_value_heads": 4},  # its head has a bias
}  # fmt: skip


def tiny(kind: str = "llama", dtype: torch.dtype = torch.float32, **changes: Any) -> nn.Module:
    torch.manual_seed(1)
    config = CONFIG_MAPPING[kind](**(TINY | MODELS[kind] | changes))
    model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="eager")
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):  # which start at zero and would hide a mistake
            nn.init.normal_(parameter, std=0.3)
    return model


def some_tokens(*lengths: int, seed: int = 0) -> tuple[int, ...]:
    draw = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(1, VOCABULARY, (sum(lengths),), generator=draw).tolist())


def close(found: Tensor, expected: Tensor) -> None:
    """To 1e-5 of the largest entry: transformers' norms, rotary angles and softmax are float32 in any dtype."""
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())
